const ORIENTATION_TAG = 0x0112

/**
 * Orientation (1 to 8) in a TIFF block as EXIF stores it, or 1 (upright) where it has none or cannot be read: a broken
 * EXIF block does not make an image unreadable. Format: TIFF 6.0, section 2; tag 274 in the first directory.
 */
export function exifOrientation(tiff: Uint8Array): number {
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength)
  if (tiff.length < 8) return 1
  const byteOrder = view.getUint16(0)
  if (byteOrder !== 0x4949 && byteOrder !== 0x4d4d) return 1
  const little = byteOrder === 0x4949
  const directory = view.getUint32(4, little)
  if (directory + 2 > tiff.length) return 1
  const entries = view.getUint16(directory, little)
  for (let i = 0; i < entries; i++) {
    const entry = directory + 2 + i * 12 // tag (2), type (2), count (4), value (4)
    if (entry + 12 > tiff.length) return 1
    if (view.getUint16(entry, little) === ORIENTATION_TAG) {
      const value = view.getUint16(entry + 8, little)
      return value >= 1 && value <= 8 ? value : 1
    }
  }
  return 1
}
