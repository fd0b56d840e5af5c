export { type Progress, runBench } from './bench.ts'
export type { Environment } from './environment.ts'
export { figureFromReport } from './figure.ts'
export { type Highlight, highlightsOf } from './highlights.ts'
export { markdownFromReport } from './markdown.ts'
export {
  type DetectedPicture,
  type MeanAveragePrecision,
  meanAveragePrecision,
  type Truth,
} from './metrics/mean-average-precision.ts'
export { truthsFromYolo } from './metrics/yolo-labels.ts'
export { type BenchOptions, parseCommandLine } from './options.ts'
export { reportFromJson } from './read-report.ts'
export {
  type ReferencePicture,
  type ReferenceSplit,
  referenceClasses,
  referenceDataset,
} from './reference/dataset.ts'
export { referenceImage, referenceModels } from './reference/model.ts'
export {
  type Failure,
  jsonFromReport,
  type MeasuredRow,
  type Outcome,
  type Report,
  type Row,
  type SuiteName,
  suiteNames,
  type Unavailable,
} from './report.ts'
export { htmlFromReport } from './report-html.ts'
export { type ScenarioName, scenarioNames } from './scenarios/definitions.ts'
export { isResolved, percentile, type Summary, summarize } from './statistics.ts'
export { tableFromReport } from './table.ts'
