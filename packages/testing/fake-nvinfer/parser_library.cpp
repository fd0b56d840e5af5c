// libnvonnxparser: hands on to libnvinfer, where everything is.
#include <cstdint>

#define EXPORTED extern "C" __attribute__((visibility("default")))

extern "C" void* fake_nvinfer_create_parser(void* network, void* logger, int32_t version);
extern "C" void* fake_nvinfer_create_parser_refitter(void* refitter, void* logger, int32_t version);
extern "C" int32_t fake_nvinfer_parser_version();

EXPORTED void* createNvOnnxParser_INTERNAL(void* network, void* logger, int32_t version) {
  return fake_nvinfer_create_parser(network, logger, version);
}
EXPORTED void* createNvOnnxParserRefitter_INTERNAL(void* refitter, void* logger, int32_t version) {
  return fake_nvinfer_create_parser_refitter(refitter, logger, version);
}
EXPORTED int32_t getNvOnnxParserVersion() { return fake_nvinfer_parser_version(); }
