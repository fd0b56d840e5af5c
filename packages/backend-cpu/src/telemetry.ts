/**
 * ONNX Runtime 1.30 reports its use to its makers: it resolves and calls a host on the internet, and leaves files in the
 * temporary folder. To be called before its native code is loaded, which reads the environment of the process. A value
 * that the user set stands. Worker threads have a copy of the environment, so there this reaches child processes alone.
 */
export function disableTelemetry(): void {
  process.env.ORT_DISABLE_TELEMETRY ||= '1'
}
