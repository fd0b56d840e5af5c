/** A generated RGB picture of slanted triangle waves: every test, and any other language, can make the same one. */
export function wave(width: number, height: number): Uint8Array {
  const data = new Uint8Array(width * height * 3)
  let at = 0
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++) data[at++] = Math.abs(((x * 5 + y * 3 * (c + 1)) % 510) - 255)
    }
  }
  return data
}
