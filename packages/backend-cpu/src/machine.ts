import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'

/**
 * Cores that this process may keep busy: physical cores (the second thread of a core adds nothing to dense arithmetic),
 * bounded by the process's affinity and by the CPU quota of its container.
 */
export function usableCores(): number {
  const allowed = availableParallelism()
  return Math.max(1, Math.min(allowed, physicalCores() ?? allowed, quotaCores() ?? allowed))
}

/** Counts distinct (package, core) pairs; undefined where Linux's /proc is absent or does not say. */
function physicalCores(): number | undefined {
  const text = readText('/proc/cpuinfo')
  if (text === undefined) return undefined
  const cores = new Set<string>()
  for (const block of text.split('\n\n')) {
    const core = /^core id\s*:\s*(\d+)/m.exec(block)?.[1]
    if (core !== undefined) cores.add(`${/^physical id\s*:\s*(\d+)/m.exec(block)?.[1] ?? 0}:${core}`)
  }
  return cores.size || undefined
}

/** CPU quota of control groups v2 and v1, rounded down to whole cores but at least one. */
function quotaCores(): number | undefined {
  const [quota, period] = readText('/sys/fs/cgroup/cpu.max')?.trim().split(' ') ?? [
    readText('/sys/fs/cgroup/cpu/cpu.cfs_quota_us'),
    readText('/sys/fs/cgroup/cpu/cpu.cfs_period_us'),
  ]
  const cores = Number(quota) / Number(period)
  return cores > 0 ? Math.max(1, Math.floor(cores)) : undefined
}

/** Instruction sets of the CPU as Linux lists them; empty elsewhere. */
export function cpuFlags(): string {
  return /^(?:flags|Features)\s*:\s*(.*)$/m.exec(readText('/proc/cpuinfo') ?? '')?.[1] ?? ''
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined // not Linux, or not mounted: the other bounds hold
  }
}
