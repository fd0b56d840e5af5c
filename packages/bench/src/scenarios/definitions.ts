import { closedLoop, type Issue, type Slice, type SliceLimits } from './closed-loop.ts'
import { type Arrivals, openLoop } from './open-loop.ts'

/** Requests per query in multi-stream, as in MLPerf Inference. */
const STREAMS = 8
/** Requests kept under way in offline: enough to overlap decoding with inference, bounded in memory. */
const OFFLINE_IN_FLIGHT = 16

/** Poisson arrivals come at this share of what the slowest subject serves one after the other. */
export const SERVER_LOAD = 0.7

export type ScenarioName = 'single-stream' | 'multi-stream' | 'server' | 'offline'

interface Scenario {
  /** One sentence for tables and reports. */
  readonly description: string
  run(issue: Issue, limits: SliceLimits, arrivals: Arrivals): Promise<Slice>
}

/**
 * The scenarios of MLPerf Inference's LoadGen (github.com/mlcommons/inference, loadgen). Offline differs in one point:
 * instead of all samples at once, a fixed number is kept under way, so that memory stays bounded.
 */
export const scenarios: Readonly<Record<ScenarioName, Scenario>> = {
  'single-stream': {
    description: 'one request at a time, the next one as soon as the last is answered',
    run: (issue, limits) => closedLoop(issue, limits, { lanes: 1, requestsPerQuery: 1 }),
  },
  'multi-stream': {
    description: `${STREAMS} requests at once, the latency is that of the last; the next ${STREAMS} when all are answered`,
    run: (issue, limits) => closedLoop(issue, limits, { lanes: 1, requestsPerQuery: STREAMS }),
  },
  server: {
    description: 'Poisson arrivals that do not wait for answers; latency counts from the scheduled time',
    run: openLoop,
  },
  offline: {
    description: `throughput with ${OFFLINE_IN_FLIGHT} requests always under way`,
    run: (issue, limits) => closedLoop(issue, limits, { lanes: OFFLINE_IN_FLIGHT, requestsPerQuery: 1 }),
  },
}

export const scenarioNames = Object.keys(scenarios) as readonly ScenarioName[]
