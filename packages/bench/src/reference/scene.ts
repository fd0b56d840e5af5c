import type { Random } from '@lowlat/onnx'
import type { Outline, Point, SymbolShape } from './symbols.ts'

/** Width and height of the pictures, in pixels. */
export const SIDE = 64

type Colour = readonly [r: number, g: number, b: number]

/** Least distance of the symbol's colour from both ends of the background's gradient, of 441 from black to white. */
const LEAST_CONTRAST = 70

/**
 * Draws a symbol amid clutter as an SVG of {@link SIDE} pixels: any size from 0.35 to 1, turned, stretched, skewed and
 * seen in perspective, in any colour that stands out, partly covered.
 */
export function drawScene(symbol: SymbolShape, random: Random): string {
  const ground = [anyColour(random), anyColour(random)] as const
  const paint = contrasting(ground, random)
  const radius = SIDE * between(random, 0.17, 0.46)
  // The farther the symbol reaches, the closer it stays to the middle; up to a fifth of its radius may be cut off.
  const room = SIDE / 2 - 0.8 * radius
  const centre: Point = [SIDE / 2 + between(random, -room, room), SIDE / 2 + between(random, -room, room)]
  const angle = symbol.upright ? between(random, -0.45, 0.45) : between(random, -Math.PI, Math.PI)
  const placed = place(symbol.outline, radius, centre, angle, random)

  const behind = repeat(3 + random.integer(8), () => clutter(anyPoint(random), SIDE * 0.4, random))
  const covers = repeat(random.integer(3), () => {
    const [x, y] = centre
    return clutter([x + between(random, -radius, radius), y + between(random, -radius, radius)], radius * 0.9, random)
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${SIDE}" height="${SIDE}">
    <defs>${gradient('ground', ground, random)}${gradient('paint', paint, random)}</defs>
    <rect width="${SIDE}" height="${SIDE}" fill="url(#ground)"/>
    ${behind.join('')}
    <path fill="url(#paint)" fill-rule="evenodd" d="${pathOf(placed)}"/>
    ${covers.join('')}
  </svg>`
}

/** Maps the unit circle's outline into the picture. */
function place(outline: Outline, radius: number, [left, top]: Point, angle: number, random: Random): Outline {
  const stretch = between(random, 0.78, 1.28)
  const skew = between(random, -0.25, 0.25)
  const [tiltX, tiltY] = [between(random, -0.22, 0.22), between(random, -0.22, 0.22)]
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)]
  const at = ([x, y]: Point): Point => {
    const [turnedX, turnedY] = [x * cos - y * sin, x * sin + y * cos]
    const [stretchedX, stretchedY] = [turnedX * stretch + turnedY * skew, turnedY / stretch]
    const depth = radius / (1 + tiltX * stretchedX + tiltY * stretchedY)
    return [left + stretchedX * depth, top + stretchedY * depth]
  }
  return outline.map((contour) => contour.map(at))
}

/** A stroke, or an irregular triangle or quadrangle, around this point. */
function clutter([x, y]: Point, reach: number, random: Random): string {
  const near = (): Point => [x + between(random, -reach, reach), y + between(random, -reach, reach)]
  const paint = css(anyColour(random))
  const opacity = fixed(between(random, 0.5, 1))
  if (random.integer(3) > 0) {
    const [from, bend, to] = [near(), near(), near()].map(pair)
    const width = fixed(between(random, 0.8, 3.5))
    return `<path d="M${from}Q${bend} ${to}" fill="none" stroke="${paint}" stroke-width="${width}" opacity="${opacity}"/>`
  }
  const corners = repeat(3 + random.integer(2), () => {
    const [nearX, nearY] = near()
    return [x + (nearX - x) * 0.45, y + (nearY - y) * 0.45] as const
  })
  return `<path d="${pathOf([corners])}" fill="${paint}" opacity="${opacity}"/>`
}

function gradient(id: string, [from, to]: readonly [Colour, Colour], random: Random): string {
  const turned = `rotate(${fixed(between(random, 0, 360))} ${SIDE / 2} ${SIDE / 2})`
  return `<linearGradient id="${id}" gradientUnits="userSpaceOnUse" x2="${SIDE}" gradientTransform="${turned}">
    <stop offset="0" stop-color="${css(from)}"/><stop offset="1" stop-color="${css(to)}"/>
  </linearGradient>`
}

/** Two colours that both stand out from both of these. */
function contrasting(ground: readonly Colour[], random: Random): readonly [Colour, Colour] {
  const stands = (colour: Colour) =>
    ground.every((other) => Math.hypot(...colour.map((c, i) => c - other[i]!)) >= LEAST_CONTRAST)
  const draw = (): Colour => {
    const colour = anyColour(random)
    return stands(colour) ? colour : draw()
  }
  const first = draw()
  const nearby = (channel: number) => Math.min(Math.max(channel + between(random, -50, 50), 0), 255)
  const second: Colour = [nearby(first[0]), nearby(first[1]), nearby(first[2])]
  return [first, stands(second) ? second : first]
}

const anyColour = (random: Random): Colour => [random.integer(256), random.integer(256), random.integer(256)]
const anyPoint = (random: Random): Point => [between(random, 0, SIDE), between(random, 0, SIDE)]

export function between(random: Random, low: number, high: number): number {
  return low + random.uniform() * (high - low)
}

function repeat<T>(count: number, make: () => T): T[] {
  return Array.from({ length: count }, make)
}

/** Few digits, so that the last bits of sines, which differ between machines, do not reach the picture. */
const fixed = (value: number) => value.toFixed(2)
const pair = ([x, y]: Point) => `${fixed(x)} ${fixed(y)}`
const css = (colour: Colour) => `rgb(${colour.map(Math.round).join(',')})`

function pathOf(outline: Outline): string {
  return outline.map((contour) => `M${contour.map(pair).join('L')}Z`).join('')
}
