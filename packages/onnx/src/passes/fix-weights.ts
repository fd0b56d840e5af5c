import type { Pass } from './pass.ts'

/**
 * Weights that are declared as inputs as well, as all were before IR version 4, become mere constants: backends can
 * neither fold nor repack what a run may replace. The inputs that a run must be fed stay.
 */
export const fixWeights: Pass = {
  name: 'fix-weights',
  run(graph) {
    const replaceable = graph.inputs.filter((value) => value.initializer)
    for (const value of replaceable) graph.fixInput(value)
    if (replaceable.length > 0) graph.model.irVersion = Math.max(graph.model.irVersion, 4)
    return replaceable.length
  },
}
