/**
 * The messages of ONNX: field numbers and types as in onnx.proto (IR version 11), names in camelCase.
 * Enumerations are int32 here; their values are in `constants.ts`.
 */
export type NumericType = 'int32' | 'int64' | 'uint64' | 'float' | 'double'
export type ScalarType = NumericType | 'string' | 'bytes'

interface Field<T extends string = string> {
  readonly number: number
  /** A scalar type or the name of a message. */
  readonly type: T
  readonly repeated: boolean
  /** Whether lists of numbers are written as one packed field. Both forms are read. */
  readonly packed: boolean
}

const one = <const T extends string>(number: number, type: T) =>
  ({ number, type, repeated: false, packed: false }) as const
const many = <const T extends string>(number: number, type: T) =>
  ({ number, type, repeated: true, packed: false }) as const
const packed = <const T extends NumericType>(number: number, type: T) =>
  ({ number, type, repeated: true, packed: true }) as const

export const schema = {
  ModelProto: {
    irVersion: one(1, 'int64'),
    producerName: one(2, 'string'),
    producerVersion: one(3, 'string'),
    domain: one(4, 'string'),
    modelVersion: one(5, 'int64'),
    docString: one(6, 'string'),
    graph: one(7, 'GraphProto'),
    opsetImport: many(8, 'OperatorSetIdProto'),
    metadataProps: many(14, 'StringStringEntryProto'),
    trainingInfo: many(20, 'TrainingInfoProto'),
    functions: many(25, 'FunctionProto'),
    configuration: many(26, 'DeviceConfigurationProto'),
  },
  GraphProto: {
    node: many(1, 'NodeProto'),
    name: one(2, 'string'),
    initializer: many(5, 'TensorProto'),
    docString: one(10, 'string'),
    input: many(11, 'ValueInfoProto'),
    output: many(12, 'ValueInfoProto'),
    valueInfo: many(13, 'ValueInfoProto'),
    quantizationAnnotation: many(14, 'TensorAnnotation'),
    sparseInitializer: many(15, 'SparseTensorProto'),
    metadataProps: many(16, 'StringStringEntryProto'),
  },
  NodeProto: {
    input: many(1, 'string'),
    output: many(2, 'string'),
    name: one(3, 'string'),
    opType: one(4, 'string'),
    attribute: many(5, 'AttributeProto'),
    docString: one(6, 'string'),
    domain: one(7, 'string'),
    overload: one(8, 'string'),
    metadataProps: many(9, 'StringStringEntryProto'),
    deviceConfigurations: many(10, 'NodeDeviceConfigurationProto'),
  },
  AttributeProto: {
    name: one(1, 'string'),
    f: one(2, 'float'),
    i: one(3, 'int64'),
    s: one(4, 'bytes'),
    t: one(5, 'TensorProto'),
    g: one(6, 'GraphProto'),
    floats: many(7, 'float'),
    ints: many(8, 'int64'),
    strings: many(9, 'bytes'),
    tensors: many(10, 'TensorProto'),
    graphs: many(11, 'GraphProto'),
    docString: one(13, 'string'),
    tp: one(14, 'TypeProto'),
    typeProtos: many(15, 'TypeProto'),
    type: one(20, 'int32'),
    refAttrName: one(21, 'string'),
    sparseTensor: one(22, 'SparseTensorProto'),
    sparseTensors: many(23, 'SparseTensorProto'),
  },
  TensorProto: {
    dims: many(1, 'int64'),
    dataType: one(2, 'int32'),
    segment: one(3, 'TensorSegment'),
    floatData: packed(4, 'float'),
    int32Data: packed(5, 'int32'),
    stringData: many(6, 'bytes'),
    int64Data: packed(7, 'int64'),
    name: one(8, 'string'),
    rawData: one(9, 'bytes'),
    doubleData: packed(10, 'double'),
    uint64Data: packed(11, 'uint64'),
    docString: one(12, 'string'),
    externalData: many(13, 'StringStringEntryProto'),
    dataLocation: one(14, 'int32'),
    metadataProps: many(16, 'StringStringEntryProto'),
  },
  TensorSegment: { begin: one(1, 'int64'), end: one(2, 'int64') },
  SparseTensorProto: {
    values: one(1, 'TensorProto'),
    indices: one(2, 'TensorProto'),
    dims: many(3, 'int64'),
  },
  ValueInfoProto: {
    name: one(1, 'string'),
    type: one(2, 'TypeProto'),
    docString: one(3, 'string'),
    metadataProps: many(4, 'StringStringEntryProto'),
  },
  TypeProto: {
    tensorType: one(1, 'TensorTypeProto'),
    sequenceType: one(4, 'ElementTypeProto'),
    mapType: one(5, 'MapTypeProto'),
    denotation: one(6, 'string'),
    opaqueType: one(7, 'OpaqueTypeProto'),
    sparseTensorType: one(8, 'TensorTypeProto'),
    optionalType: one(9, 'ElementTypeProto'),
  },
  TensorTypeProto: { elemType: one(1, 'int32'), shape: one(2, 'TensorShapeProto') },
  /** TypeProto.Sequence and TypeProto.Optional. */
  ElementTypeProto: { elemType: one(1, 'TypeProto') },
  MapTypeProto: { keyType: one(1, 'int32'), valueType: one(2, 'TypeProto') },
  OpaqueTypeProto: { domain: one(1, 'string'), name: one(2, 'string') },
  TensorShapeProto: { dim: many(1, 'DimensionProto') },
  DimensionProto: { dimValue: one(1, 'int64'), dimParam: one(2, 'string'), denotation: one(3, 'string') },
  OperatorSetIdProto: { domain: one(1, 'string'), version: one(2, 'int64') },
  StringStringEntryProto: { key: one(1, 'string'), value: one(2, 'string') },
  TensorAnnotation: {
    tensorName: one(1, 'string'),
    quantParameterTensorNames: many(2, 'StringStringEntryProto'),
  },
  FunctionProto: {
    name: one(1, 'string'),
    input: many(4, 'string'),
    output: many(5, 'string'),
    attribute: many(6, 'string'),
    node: many(7, 'NodeProto'),
    docString: one(8, 'string'),
    opsetImport: many(9, 'OperatorSetIdProto'),
    domain: one(10, 'string'),
    attributeProto: many(11, 'AttributeProto'),
    valueInfo: many(12, 'ValueInfoProto'),
    overload: one(13, 'string'),
    metadataProps: many(14, 'StringStringEntryProto'),
  },
  TrainingInfoProto: {
    initialization: one(1, 'GraphProto'),
    algorithm: one(2, 'GraphProto'),
    initializationBinding: many(3, 'StringStringEntryProto'),
    updateBinding: many(4, 'StringStringEntryProto'),
  },
  DeviceConfigurationProto: { name: one(1, 'string'), numDevices: one(2, 'int32'), device: many(3, 'string') },
  NodeDeviceConfigurationProto: {
    configurationId: one(1, 'string'),
    shardingSpec: many(2, 'ShardingSpecProto'),
    pipelineStage: one(3, 'int32'),
  },
  ShardingSpecProto: {
    tensorName: one(1, 'string'),
    device: many(2, 'int64'),
    indexToDeviceGroupMap: many(3, 'IntIntListEntryProto'),
    shardedDim: many(4, 'ShardedDimProto'),
  },
  IntIntListEntryProto: { key: one(1, 'int64'), value: many(2, 'int64') },
  ShardedDimProto: { axis: one(1, 'int64'), simpleSharding: many(2, 'SimpleShardedDimProto') },
  SimpleShardedDimProto: { dimValue: one(1, 'int64'), dimParam: one(2, 'string'), numShards: one(3, 'int64') },
} as const

export type MessageName = keyof typeof schema

export interface NamedField extends Field<ScalarType | MessageName> {
  readonly name: string
}

/** Fields of every message in ascending order of number: the order in which they are written. */
export const fieldsOf: Readonly<Record<MessageName, readonly NamedField[]>> = tabulate(schema)

function tabulate(
  messages: Readonly<Record<MessageName, Readonly<Record<string, Field<ScalarType | MessageName>>>>>,
): Record<MessageName, NamedField[]> {
  const sorted = Object.entries(messages).map(([message, fields]) => [
    message,
    Object.entries(fields)
      .map(([name, field]) => ({ name, ...field }))
      .sort((a, b) => a.number - b.number),
  ])
  return Object.fromEntries(sorted)
}
