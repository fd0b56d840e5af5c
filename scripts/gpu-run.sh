#!/bin/sh
# Tests and measures lowlat on this machine's NVIDIA GPU. Needs the driver and nothing else; writes JSON into results/. Where TensorRT is
# installed as well (LD_LIBRARY_PATH, or LOWLAT_NVINFER_LIB and LOWLAT_NVONNXPARSER_LIB), its backend is tested too.
#   sh run.sh [test|bench|all]        LOWLAT_TEST_DATA may name the folder with real models and images
set -eu
cd "$(dirname "$0")"
what=${1:-all}
if [ ! -d lowlat ]; then
  mkdir lowlat.part
  if command -v xz >/dev/null; then xz -dc lowlat.tar.xz | tar -x -C lowlat.part
  else python3 -c "import lzma, shutil, sys; shutil.copyfileobj(lzma.open('lowlat.tar.xz'), sys.stdout.buffer)" | tar -x -C lowlat.part
  fi
  mv lowlat.part lowlat
fi
mkdir -p results
results=$PWD/results
cd lowlat
node=$PWD/bin/node
PATH=$PWD/bin:$PATH
export PATH
status=0
if [ "$what" != bench ]; then
  "$node" node_modules/vitest/vitest.mjs run --config vitest.gpu.config.ts \
    --reporter=default --reporter=json --outputFile.json="$results/tests.json" || status=1
  if command -v compute-sanitizer >/dev/null; then
    # The smallest tests: the sanitizer slows kernels down a hundredfold.
    compute-sanitizer --tool memcheck --target-processes all --error-exitcode 9 \
      "$node" node_modules/vitest/vitest.mjs run --config vitest.gpu.config.ts --pool=threads \
      packages/backend-cuda/src/kernels packages/backend-cuda/src/backend.test.ts >"$results/sanitizer.txt" 2>&1 || status=1
    tail -n 3 "$results/sanitizer.txt"
  fi
fi
if [ "$what" != test ]; then
  "$node" packages/bench/dist/cli.js latency --backend cuda,cpu --precision fp32,fp16 --scenario single-stream --duration 4 \
    --json "$results/latency.json" --html "$results/latency.html" || status=1
  "$node" packages/bench/dist/cli.js int8 --backend cuda --duration 3 --json "$results/int8.json" || status=1
fi
exit $status
