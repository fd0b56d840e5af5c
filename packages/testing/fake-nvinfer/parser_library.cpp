// libnvonnxparser: hands on to libnvinfer, where everything is.
#include <cstdint>

#define EXPORTED extern "C" __attribute__((visibility("default")))

extern "C" void* fake_nvinfer_create_parser(void* network, void* logger);
extern "C" void* fake_nvinfer_create_parser_refitter(void* refitter, void* logger);

EXPORTED void* createNvOnnxParser_INTERNAL(void* network, void* logger, int32_t) { return fake_nvinfer_create_parser(network, logger); }
EXPORTED void* createNvOnnxParserRefitter_INTERNAL(void* refitter, void* logger, int32_t) {
  return fake_nvinfer_create_parser_refitter(refitter, logger);
}
EXPORTED int32_t getNvOnnxParserVersion() { return 100; }
