/** Disposes all of them, one after the other, also when some fail; throws their errors at the end. */
export async function disposeAll(disposables: readonly AsyncDisposable[]): Promise<void> {
  const errors: unknown[] = []
  for (const disposable of disposables) {
    try {
      await disposable[Symbol.asyncDispose]()
    } catch (error) {
      errors.push(error)
    }
  }
  if (errors.length === 1) throw errors[0]
  if (errors.length > 1) throw new AggregateError(errors, 'Several resources could not be freed.')
}
