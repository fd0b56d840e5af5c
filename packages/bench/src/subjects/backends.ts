import { createBackend } from '@lowlat/backend-cpu'
import { type BackendInput, isLowlatError, resolveBackend, withoutRemedy } from '@lowlat/core'
import type { Absence } from '../protocol.ts'

/** The CPU backend as a value, so that it is found wherever the bench is installed; others by name. */
export function backendInput(name: string): BackendInput {
  return name === 'cpu' ? createBackend() : name
}

/** Why a backend cannot be used here; undefined when it can. */
export async function absenceOf(name: string): Promise<Absence | undefined> {
  try {
    const probe = await (await resolveBackend(backendInput(name))).probe()
    return probe.available ? undefined : { reason: probe.reason, remedy: probe.remedy }
  } catch (error) {
    if (!isLowlatError(error)) throw error
    return { reason: withoutRemedy(error), remedy: error.remedy }
  }
}
