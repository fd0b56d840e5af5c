/**
 * Disposes all of them, one after the other, also when some fail.
 * @throws (as rejection) the error at the end, or all of them as an AggregateError.
 */
export async function disposeAll(resources: readonly (Disposable | AsyncDisposable)[]): Promise<void> {
  const errors: unknown[] = []
  for (const resource of resources) {
    try {
      if (Symbol.asyncDispose in resource) await resource[Symbol.asyncDispose]()
      else resource[Symbol.dispose]()
    } catch (error) {
      errors.push(error)
    }
  }
  if (errors.length === 1) throw errors[0]
  if (errors.length > 1) throw new AggregateError(errors, 'Several resources could not be freed.')
}
