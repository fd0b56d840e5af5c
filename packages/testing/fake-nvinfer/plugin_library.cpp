// libnvinfer_plugin: hands on to libnvinfer, where everything is.
#define EXPORTED extern "C" __attribute__((visibility("default")))

extern "C" bool fake_nvinfer_init_plugins(void* logger);

EXPORTED bool initLibNvInferPlugins(void* logger, const char*) { return fake_nvinfer_init_plugins(logger); }
