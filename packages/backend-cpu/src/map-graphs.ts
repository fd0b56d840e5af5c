import type { GraphProto, NodeProto } from '@lowlat/onnx'

type Change = (graph: GraphProto) => Promise<GraphProto>

/** The graph and the graphs inside it (branches, loop bodies), each changed by `change`, one after the other. */
export async function mapGraphs(graph: GraphProto, change: Change): Promise<GraphProto> {
  return change(await mapInnerGraphs(graph, change))
}

/** As {@link mapGraphs}, the graph itself left as it is. */
export async function mapInnerGraphs(graph: GraphProto, change: Change): Promise<GraphProto> {
  const inner = (body: GraphProto) => mapGraphs(body, change)
  const node = await mapInTurn(graph.node ?? [], async (outer): Promise<NodeProto> => {
    if (!outer.attribute?.some(({ g, graphs }) => g || graphs)) return outer
    const attribute = await mapInTurn(outer.attribute, async ({ g, graphs, ...rest }) => ({
      ...rest,
      ...(g && { g: await inner(g) }),
      ...(graphs && { graphs: await mapInTurn(graphs, inner) }),
    }))
    return { ...outer, attribute }
  })
  return { ...graph, node }
}

async function mapInTurn<T>(items: readonly T[], map: (item: T) => Promise<T>): Promise<T[]> {
  const mapped: T[] = []
  for (const item of items) mapped.push(await map(item))
  return mapped
}
