import type { DeviceFacts } from '../program/constants.ts'
import { splitTiles } from './split-counters.ts'

/** How a product's operands are read; part of a kernel's name. */
export type Loader = 'v16' | 'v16_depth' | 'v4' | 'any' | 'any_any'

/** Type of a product's operands; part of a kernel's name. */
export type OperandType = 'f32' | 'tf32' | 'f16' | 's8' | 'u8'

/** What a block computes and how it goes through the depth: the tables of product_mma.cuh and product_f32.cu. */
export interface Tile {
  readonly name: string
  readonly rows: number
  readonly columns: number
  readonly threads: number
  /** Depth that one step takes, in bytes of an operand's row. */
  readonly rowBytes: number
  readonly stages: number
  /** What one warp computes of it. */
  readonly warp: readonly [rows: number, columns: number]
}

export interface Tactic {
  readonly tile: Tile
  /** Blocks that share a tile's depth. */
  readonly splits: number
}

export interface ProductSize {
  readonly type: OperandType
  readonly loader: Loader
  readonly rows: number
  readonly columns: number
  readonly depth: number
  readonly batch: number
}

export const operandBytes: Readonly<Record<OperandType, number>> = { f32: 4, tf32: 4, f16: 2, s8: 1, u8: 1 }

function tile(
  [rows, columns]: readonly [number, number],
  warp: readonly [number, number],
  rowBytes: number,
  stages: number,
): Tile {
  const threads = 32 * (rows / warp[0]) * (columns / warp[1])
  return { name: `${rows}x${columns}`, rows, columns, threads, rowBytes, stages, warp }
}

const large = [tile([128, 128], [64, 32], 64, 4), tile([128, 64], [64, 32], 64, 4)]
const middle = tile([64, 64], [32, 32], 128, 3)
const small = tile([64, 32], [32, 16], 128, 4)
const smallest = tile([32, 32], [16, 16], 128, 4)
const short = [tile([64, 64], [32, 32], 64, 2), tile([64, 32], [32, 16], 64, 2)]

const tensorCoreTiles: Readonly<Record<Loader, readonly Tile[]>> = {
  v16: [...large, middle, small, smallest],
  v16_depth: [large[1]!, small],
  v4: [middle, smallest],
  any: short,
  any_any: [short[1]!],
}

const simt = {
  large: tile([128, 64], [32, 64], 64, 4),
  middle: tile([64, 64], [16, 64], 64, 4),
  small: tile([64, 32], [16, 32], 64, 4),
}

const simtTiles: Readonly<Record<Loader, readonly Tile[]>> = {
  v16: [simt.large, simt.middle, simt.small, tile([32, 32], [16, 32], 64, 4)],
  v16_depth: [simt.middle],
  v4: [],
  any: [simt.middle, simt.small],
  any_any: [simt.small],
}

/** Loaders that each type has kernels for. */
export function hasLoader(type: OperandType, loader: Loader): boolean {
  if (loader === 'v4') return type === 'f16' || type === 's8' || type === 'u8'
  if (loader === 'v16_depth') return type === 'f16' || type === 'f32'
  return true
}

export const kernelName = ({ type, loader }: ProductSize, { tile }: Tactic): string =>
  `product_${type}_${tile.name}_${loader}`

export const tacticName = ({ loader }: ProductSize, { tile, splits }: Tactic): string =>
  `${tile.name}/${loader}${splits > 1 ? `/split${splits}` : ''}`

/** The ring of tiles, or the tile of sums that follows in the same place. */
export const sharedBytesOf = ({ rows, columns, rowBytes, stages }: Tile): number =>
  Math.max(stages * (rows + columns) * rowBytes, rows * (columns + 8) * 4)

/** Steps through the depth. */
export const stepsOf = ({ type, depth }: ProductSize, { rowBytes }: Tile): number =>
  Math.ceil(depth / (rowBytes / operandBytes[type]))

/** Tiles of a product, of all of its batch. */
const tilesOf = ({ rows, columns, batch }: ProductSize, tile: Tile): number =>
  Math.ceil(rows / tile.rows) * Math.ceil(columns / tile.columns) * batch

/** Memory for the sums that the blocks of a split tile leave to the last of them. */
export const partialBytesOf = (size: ProductSize, { tile, splits }: Tactic): number =>
  tilesOf(size, tile) * splits * tile.rows * tile.columns * 4

const splitChoices = [1, 2, 3, 4, 6, 8, 12, 16]
const leastStepsPerSplit = 2
const mostPartialBytes = 32 << 20

/** What can compute the product, best first by `estimateCycles`. */
export function productTactics(size: ProductSize, device: DeviceFacts, splitDepth: boolean): Tactic[] {
  const tiles = (size.type === 'f32' ? simtTiles : tensorCoreTiles)[size.loader]
  return tiles
    .filter((tile) => sharedBytesOf(tile) <= device.sharedBytesPerBlock)
    .flatMap((tile) => {
      const steps = stepsOf(size, tile)
      const count = tilesOf(size, tile)
      return splitChoices.flatMap((choice) => {
        // No split may be left without a step.
        const splits = choice === 1 ? 1 : Math.ceil(steps / Math.ceil(steps / choice))
        if (splits !== choice) return []
        const tactic = { tile, splits }
        const canSplit =
          splitDepth &&
          count <= splitTiles &&
          steps / splits >= leastStepsPerSplit &&
          partialBytesOf(size, tactic) <= mostPartialBytes
        return splits === 1 || canSplit ? [tactic] : []
      })
    })
    .map((tactic) => ({ tactic, cycles: estimateCycles(size, tactic, device) }))
    .sort((one, other) => one.cycles - other.cycles)
    .map(({ tactic }) => tactic)
}

// Rough figures of one multiprocessor of Hopper; only their ratios matter here.
const productsPerCycle: Readonly<Record<OperandType, number>> = { f32: 128, tf32: 350, f16: 700, s8: 1400, u8: 1400 }
const bytesPerCycle = 40
const sharedBytesPerCycle = 128
/** From issuing a step's copies to having multiplied it, when nothing else is in the way. */
const stepLatency = 220
const startCycles = 900
const splitCycles = 1500
/** Of the shared memory that one block could have alone, each of several takes this much more than it asks for. */
const sharedBytesReserved = 1024
/** As many as registers last for. */
const threadsPerMultiprocessor = 1024

/** Cycles from the first block's start to the last one's end: full multiprocessors first, then what is left. */
export function estimateCycles(size: ProductSize, tactic: Tactic, device: DeviceFacts): number {
  const { multiprocessors, sharedBytesPerBlock } = device
  const { tile, splits } = tactic
  const resident = Math.max(
    1,
    Math.min(
      Math.floor((sharedBytesPerBlock + sharedBytesReserved) / (sharedBytesOf(tile) + sharedBytesReserved)),
      Math.floor(threadsPerMultiprocessor / tile.threads),
    ),
  )
  const blocks = tilesOf(size, tile) * splits
  const rounds = Math.floor(blocks / (multiprocessors * resident))
  const left = Math.ceil((blocks - rounds * multiprocessors * resident) / multiprocessors)
  return rounds * roundCycles(size, tactic, resident) + (left > 0 ? roundCycles(size, tactic, left) : 0)
}

/** Cycles of so many blocks at once on one multiprocessor. */
function roundCycles(size: ProductSize, { tile, splits }: Tactic, together: number): number {
  const products = (tile.rows * tile.columns * tile.rowBytes) / operandBytes[size.type]
  // Every warp reads its own rows and columns of a step, after they were written once.
  const warps = tile.threads / 32
  const moved = (warps * (tile.warp[0] + tile.warp[1]) + tile.rows + tile.columns) * tile.rowBytes
  const gathered = size.loader.startsWith('any') ? 4 : 1
  const step = Math.max(
    stepLatency,
    (together * products) / productsPerCycle[size.type],
    (together * moved) / sharedBytesPerCycle,
    (together * gathered * (tile.rows + tile.columns) * tile.rowBytes) / bytesPerCycle,
  )
  const finish = (together * tile.rows * tile.columns * 4) / bytesPerCycle
  const combine = splits === 1 ? 0 : splitCycles + splits * 60
  return startCycles + Math.ceil(stepsOf(size, tile) / splits) * step + finish + combine
}
