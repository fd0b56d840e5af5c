// Matrix products.
#include "operators.h"

namespace fake_nvinfer {
namespace {

std::vector<DataType> product_type(const Layer& layer, const std::vector<DataType>& types) {
  if (types.size() < 2 || types[0] != types[1] || !is_float(types[0]))
    throw OperatorError(ParserCode::unsupported_datatype,
                        layer.op + " of types " + name_of(types[0]) + " and " + name_of(types.back()));
  return {types[0]};
}

/** out [m, n] += a [m, k] times b [k, n] */
void multiply(const float* a, const float* b, float* out, int64_t m, int64_t k, int64_t n) {
  for (int64_t i = 0; i < m; i++)
    for (int64_t l = 0; l < k; l++) {
      const float factor = a[i * k + l];
      for (int64_t j = 0; j < n; j++) out[i * n + j] += factor * b[l * n + j];
    }
}

/** Operands of one dimension get another, which the result does not keep. */
void as_matrices(Shape& a, Shape& b) {
  if (a.empty() || b.empty()) throw std::runtime_error("MatMul of a scalar");
  if (a.size() == 1) a.insert(a.begin(), 1);
  if (b.size() == 1) b.push_back(1);
  if (a.back() != b[b.size() - 2]) throw std::runtime_error("MatMul of " + text_of(a) + " and " + text_of(b));
}

std::vector<Shape> matmul_shapes(const Layer&, const Operands& in) {
  Shape a = in[0].shape, b = in[1].shape;
  as_matrices(a, b);
  Shape shape = broadcast(Shape(a.begin(), a.end() - 2), Shape(b.begin(), b.end() - 2));
  if (in[0].shape.size() > 1) shape.push_back(a[a.size() - 2]);
  if (in[1].shape.size() > 1) shape.push_back(b.back());
  return {shape};
}

/** Which matrix of an operand meets matrix `index` of the result. */
int64_t matrix_of(int64_t index, const Shape& operand, const Shape& batch) {
  int64_t offset = 0, stride = 1;
  for (size_t i = 0; i < batch.size(); i++) {
    const int64_t at = index % batch[batch.size() - 1 - i];
    index /= batch[batch.size() - 1 - i];
    if (i + 2 >= operand.size()) continue;
    const int64_t size = operand[operand.size() - 3 - i];
    if (size != 1) offset += at * stride;
    stride *= size;
  }
  return offset;
}

void matmul(const Layer&, const Views& in, const Views& out) {
  Shape a = in[0].shape, b = in[1].shape;
  as_matrices(a, b);
  const Shape batch = broadcast(Shape(a.begin(), a.end() - 2), Shape(b.begin(), b.end() - 2));
  const int64_t m = a[a.size() - 2], k = a.back(), n = b.back();
  const std::vector<float> left = floats_of(in[0]), right = floats_of(in[1]);
  std::vector<float> result(static_cast<size_t>(out[0].count()));
  for (int64_t i = 0; i < volume(batch); i++)
    multiply(left.data() + matrix_of(i, a, batch) * m * k, right.data() + matrix_of(i, b, batch) * k * n,
             result.data() + i * m * n, m, k, n);
  store(out[0], result);
}

std::vector<float> transposed(const std::vector<float>& matrix, int64_t rows, int64_t columns) {
  std::vector<float> result(matrix.size());
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < columns; j++) result[static_cast<size_t>(j * rows + i)] = matrix[static_cast<size_t>(i * columns + j)];
  return result;
}

std::vector<Shape> gemm_shapes(const Layer& layer, const Operands& in) {
  const Shape &a = in[0].shape, &b = in[1].shape;
  if (a.size() != 2 || b.size() != 2) throw std::runtime_error("Gemm of " + text_of(a) + " and " + text_of(b));
  const size_t left = static_cast<size_t>(layer.number("transA", 0)), right = static_cast<size_t>(layer.number("transB", 0));
  if (a[1 - left] != b[right]) throw std::runtime_error("Gemm of " + text_of(a) + " and " + text_of(b));
  return {{a[left], b[1 - right]}};
}

void gemm(const Layer& layer, const Views& in, const Views& out) {
  const bool left_is_transposed = layer.number("transA", 0), right_is_transposed = layer.number("transB", 0);
  const int64_t m = out[0].shape[0], n = out[0].shape[1], k = in[0].shape[left_is_transposed ? 0 : 1];
  std::vector<float> a = floats_of(in[0]), b = floats_of(in[1]);
  if (left_is_transposed) a = transposed(a, k, m);
  if (right_is_transposed) b = transposed(b, n, k);
  std::vector<float> result(static_cast<size_t>(m * n));
  multiply(a.data(), b.data(), result.data(), m, k, n);
  const float alpha = layer.real("alpha", 1), beta = layer.real("beta", 1);
  for (float& value : result) value *= alpha;
  if (in.size() > 2 && in[2].exists()) {
    const std::vector<float> c = floats_of(in[2]);
    const Shape& shape = in[2].shape;
    const int64_t rows = shape.size() == 2 ? shape[0] : 1, columns = shape.empty() ? 1 : shape.back();
    for (int64_t i = 0; i < m; i++)
      for (int64_t j = 0; j < n; j++)
        result[static_cast<size_t>(i * n + j)] +=
            beta * c[static_cast<size_t>((rows == 1 ? 0 : i) * columns + (columns == 1 ? 0 : j))];
  }
  store(out[0], result);
}

Operator with_inputs(Operator op, size_t count) {
  op.inputs_min = count;
  return op;
}

const RegisteredOperator operators[] = {
    {{"MatMul"}, with_inputs({"MATRIX_MULTIPLY", product_type, matmul_shapes, matmul, {}}, 2)},
    {{"Gemm"}, with_inputs({"MATRIX_MULTIPLY", product_type, gemm_shapes, gemm, {}}, 2)},
};

}  // namespace
}  // namespace fake_nvinfer
