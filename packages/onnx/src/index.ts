export { GraphBuilder, type GraphBuilderOptions, heDeviation } from './build/graph-builder.ts'
export { createRandom, type Random } from './build/random.ts'
export { decode } from './codec/decode.ts'
export { encode } from './codec/encode.ts'
export type {
  AttributeProto,
  FunctionProto,
  GraphProto,
  Message,
  ModelProto,
  NodeProto,
  NumberList,
  SparseTensorProto,
  TensorProto,
  TypeProto,
  ValueInfoProto,
} from './codec/messages.ts'
export { decodeModel, encodeModel } from './codec/model.ts'
export { numbersOf, PackedList } from './codec/packed-list.ts'
export type { MessageName } from './codec/schema.ts'
export { type DotOptions, dotFromGraph } from './dump/dot.ts'
export { textFromGraph } from './dump/text.ts'
export { type EvaluateOptions, evaluatedOperators, evaluateNode } from './evaluate/evaluate-node.ts'
export { externalFiles } from './external/external-files.ts'
export { graphFromFile } from './external/graph-from-file.ts'
export { type SaveOptions, saveGraph } from './external/save-graph.ts'
export {
  type Float16Model,
  type Float16Options,
  type Float16Report,
  float16FromGraph,
  type KeptNode,
} from './fp16/float16-from-graph.ts'
export type { Attribute, AttributeValue } from './graph/attribute.ts'
export { type AttributeInput, attributeFromInput, float, floats } from './graph/attribute-input.ts'
export { checkGraph } from './graph/check.ts'
export { cloneGraph, exposeValues } from './graph/clone.ts'
export { checkInputRanks, describeModel, type ModelDescription, type ValueDescription } from './graph/describe.ts'
export { type Cut, extractGraph } from './graph/extract.ts'
export { graphFromModel, graphFromOnnx } from './graph/from-onnx.ts'
export { fusedOutput } from './graph/fused-output.ts'
export { Graph, type NodeSpec } from './graph/graph.ts'
export { Initializer } from './graph/initializer.ts'
export type { ModelInfo } from './graph/model-info.ts'
export { Node } from './graph/node.ts'
export { topologicalOrder, walkNodes } from './graph/order.ts'
export { modelFromGraph, onnxFromGraph } from './graph/to-onnx.ts'
export { type Use, Value } from './graph/value.ts'
export type { ElementType, PartialShape, ValueType } from './graph/value-type.ts'
export { type InferenceReport, type InferOptions, inferTypes } from './infer/infer-types.ts'
export { claimedOperators } from './infer/rules.ts'
export { type GenerateOptions, generateGraph, generateModel, type ModelName, modelNames } from './models/generate.ts'
export type { BatchNorm } from './models/layers.ts'
export { mergeSpaceToDepth } from './passes/merge-space-to-depth.ts'
export { nameNodes } from './passes/name-nodes.ts'
export type { Pass } from './passes/pass.ts'
export { portablePasses } from './passes/portable-passes.ts'
export { removeDeadCode } from './passes/remove-dead-code.ts'
export { type PassReport, type PassRun, type RunPassesOptions, runPasses } from './passes/run-passes.ts'
