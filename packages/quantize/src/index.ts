export type {
  ActivationParameters,
  ActivationSite,
  QuantizationParameters,
  QuantizedType,
  Reader,
  Sites,
  WeightParameters,
  WeightSite,
} from './sites.ts'
