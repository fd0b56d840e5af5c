import type { Subject, SubjectSpec } from './spec.ts'

/**
 * Loads the modules that the subject needs, and no others (the peer's process holds no lowlat, and the other way
 * round), and returns the function that creates it.
 */
export async function subjectFactory(spec: SubjectSpec): Promise<() => Promise<Subject>> {
  switch (spec.kind) {
    case 'lowlat': {
      const { createLowlat } = await import('./lowlat.ts')
      return () => createLowlat(spec.load, spec.session)
    }
    case 'plain': {
      const { createPlain } = await import('./plain.ts')
      return () => createPlain(spec.load)
    }
    case 'null-session':
      return (await import('./null-path.ts')).createNullSession
    case 'null-context':
      return (await import('./null-path.ts')).createNullContext
    case 'decode': {
      const { createDecode } = await import('./decode.ts')
      return () => createDecode(spec)
    }
  }
}
