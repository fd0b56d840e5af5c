import type { CudaContext } from './context.ts'
import { NativeObject } from './native-object.ts'
import { cuResult } from './results.ts'
import type { CudaStream } from './stream.ts'

/** Work that was captured from a stream: a recipe, which `instantiate` makes executable. */
export class CudaGraph extends NativeObject {
  /** Of a handle that a capture gave. */
  constructor(context: CudaContext, handle: number) {
    super(context, 'graph', 'cuGraphDestroy', handle)
  }

  /** Nodes: copies, fills and kernels. */
  get nodeCount(): number {
    const count = new BigUint64Array(1)
    this.context.call('cuGraphGetNodes', this.handle, null, count)
    return Number(count[0])
  }

  /** @throws BackendError OUT_OF_MEMORY and others. */
  instantiate(): CudaGraphExec {
    return new CudaGraphExec(this.context, this)
  }
}

/** A graph ready to be launched, any number of times; it needs the {@link CudaGraph} no longer. */
export class CudaGraphExec extends NativeObject {
  /** @throws BackendError. */
  constructor(context: CudaContext, graph: CudaGraph) {
    const handle = context.out64('cuGraphInstantiateWithFlags', graph.handle, 0)
    super(context, 'graphExec', 'cuGraphExecDestroy', handle)
  }

  /** Brings what the first launch would bring to the device now. */
  upload(stream: CudaStream): void {
    this.context.call('cuGraphUpload', this.handle, stream.handle)
  }

  launch(stream: CudaStream): void {
    this.context.call('cuGraphLaunch', this.handle, stream.handle)
  }

  /**
   * Takes over the parameters of a graph of the same structure, which is quicker than instantiating it.
   * @returns false where the structures differ: nothing has changed then.
   */
  update(graph: CudaGraph): boolean {
    const info = new Uint8Array(24) // CUgraphExecUpdateResultInfo: an enum and two nodes
    const result = this.context.try('cuGraphExecUpdate_v2', this.handle, graph.handle, info)
    if (result === cuResult.graphUpdateFailure) return false
    this.context.check('cuGraphExecUpdate_v2', result)
    return true
  }
}
