/** AttributeProto.AttributeType */
export const attributeTypes = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  tensors: 9,
  graphs: 10,
  sparseTensor: 11,
  sparseTensors: 12,
  typeProto: 13,
  typeProtos: 14,
} as const

/** TensorProto.DataType of strings; the numeric types are in core's `dtypes`. */
export const stringDataType = 8

/** TensorProto.DataLocation */
export const externalDataLocation = 1
