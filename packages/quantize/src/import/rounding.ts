/** What the translation to a target had to round, and how far its values can move by that. */
export interface Rounding {
  readonly kind: 'activation' | 'weight' | 'bias'
  /** The real value that is quantized, or the constant of the weight or bias. */
  readonly value: string
  /** As the model has it: 'uint8, zero point 0'. */
  readonly from: string
  /** Largest distance between a value before and after. */
  readonly worstError: number
  /**
   * One step to compare with: of the model's integers; for a bias, of the layer's output, and undefined where that is not
   * quantized.
   */
  readonly step: number | undefined
}
