export type { Float16Model, Float16Report, KeptNode } from '@lowlat/onnx'
export { type Calibrator, entropy, minMax, mse, percentile } from './calibrate/calibrators.ts'
export { type CollectOptions, collectStatistics } from './calibrate/collect.ts'
export type { Range, Scheme } from './calibrate/scheme.ts'
export { CalibrationTable } from './calibrate/table.ts'
export type { CalibrationMethod, Choice } from './choose/choice.ts'
export type { Trial } from './choose/search.ts'
export {
  type ComparedValue,
  type CompareOptions,
  type Comparison,
  compareModels,
} from './compare/compare-models.ts'
export type { ValuePair } from './compare/match-values.ts'
export { tableFromComparison } from './compare/table.ts'
export { convertToFloat16, type Float16Options } from './fp16/convert.ts'
export { type Imported, type ImportOptions, importQuantized } from './import/import-quantized.ts'
export { type FloatLayer, type ImportReport, type QuantizationStyle, textFromImport } from './import/report.ts'
export type { Rounding } from './import/rounding.ts'
export { type TranslateOptions, type Translation, translate } from './import/translate.ts'
export { type LabelledSample, top1Metric } from './measure/metrics.ts'
export { OutputError, type OutputErrorReport } from './measure/output-error.ts'
export { Histogram, type HistogramData } from './observe/histogram.ts'
export type {
  FloatPart,
  GateReport,
  LeadingLayers,
  Metric,
  QuantizeEvent,
  QuantizeOptions,
  QuantizeReport,
} from './options.ts'
export { type Quantized, quantize, sensitivity } from './quantize.ts'
export type { Sample, Samples } from './samples.ts'
export type { Sensitivity } from './sensitivity/sensitivity.ts'
export type { QuantizedType } from './sites.ts'
export type { FloatPrecision, Target } from './targets/recipe.ts'
export type { WeightMethod } from './weights/channel-scale.ts'
