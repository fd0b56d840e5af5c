/** Disposes in reverse order, all of them also when some fail. @throws the first error, or all as an AggregateError. */
export class Resources implements Disposable {
  readonly #owned: Disposable[] = []

  own<T extends Disposable>(resource: T): T {
    this.#owned.push(resource)
    return resource
  }

  dispose(): void {
    const errors: unknown[] = []
    for (let resource = this.#owned.pop(); resource; resource = this.#owned.pop()) {
      try {
        resource[Symbol.dispose]()
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length === 1) throw errors[0]
    if (errors.length > 1) throw new AggregateError(errors, 'Several resources could not be freed.')
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}

/** What `make` returns, with what it owns given back where it throws. */
export function acquire<T>(make: (resources: Resources) => T): T {
  const resources = new Resources()
  try {
    return make(resources)
  } catch (error) {
    disposeAfter(error, resources)
    throw error
  }
}

/** Disposes after a failure: what fails meanwhile is a consequence, and would only hide the cause. */
export function disposeAfter(_cause: unknown, resource: Disposable): void {
  try {
    resource[Symbol.dispose]()
  } catch {
    // See above.
  }
}
