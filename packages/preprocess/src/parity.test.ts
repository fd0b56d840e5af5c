import { describe, expect, it } from 'vitest'
import { createImageDecoder } from './decoder.ts'
import type { ImageOptions } from './options.ts'
import { wave } from './wave.test-data.ts'

/**
 * What Pillow 12 makes of the same generated picture: `resize` with its antialiased filters, cropped and pasted as
 * torchvision (Resize, CenterCrop), TensorFlow (central_crop) and the YOLO demos do. Twelve pixels and the mean each.
 */
interface Case {
  name: string
  width: number
  height: number
  options: ImageOptions
  mean: number
  samples: number[][]
}

const cases: Case[] = [
  {
    name: 'shrinks a landscape',
    width: 500,
    height: 375,
    options: { resize: 256, crop: 224 },
    mean: 127.372,
    samples: [
      [242, 197, 126],
      [166, 8, 152],
      [202, 62, 185],
      [199, 135, 40],
      [172, 89, 7],
      [229, 224, 219],
      [132, 225, 193],
      [11, 169, 160],
      [102, 135, 138],
      [48, 197, 163],
      [61, 3, 62],
      [77, 46, 15],
    ],
  },
  {
    name: 'shrinks a portrait with an odd crop offset',
    width: 333,
    height: 500,
    options: { resize: 256, crop: 227 },
    mean: 127.414,
    samples: [
      [142, 63, 242],
      [130, 5, 124],
      [58, 14, 31],
      [46, 80, 113],
      [25, 91, 206],
      [29, 164, 152],
      [107, 168, 66],
      [189, 164, 9],
      [191, 245, 171],
      [237, 241, 245],
      [236, 188, 103],
      [158, 184, 16],
    ],
  },
  {
    name: 'enlarges',
    width: 160,
    height: 120,
    options: { resize: 256, crop: 224 },
    mean: 127.007,
    samples: [
      [98, 77, 55],
      [249, 199, 150],
      [52, 130, 208],
      [97, 9, 115],
      [206, 169, 33],
      [57, 220, 126],
      [154, 38, 230],
      [147, 143, 77],
      [1, 249, 11],
      [211, 66, 166],
      [150, 54, 251],
      [58, 232, 103],
    ],
  },
  {
    name: 'enlarges one side and shrinks the other',
    width: 150,
    height: 400,
    options: { resize: [224, 192] },
    mean: 126.403,
    samples: [
      [253, 250, 248],
      [186, 78, 29],
      [92, 204, 11],
      [171, 13, 196],
      [62, 139, 216],
      [9, 38, 67],
      [219, 78, 64],
      [59, 203, 45],
      [131, 25, 180],
      [98, 142, 185],
      [26, 37, 99],
      [252, 79, 96],
    ],
  },
  {
    name: 'enlarges one side and keeps the other',
    width: 150,
    height: 100,
    options: { resize: [150, 192] },
    mean: 122.487,
    samples: [
      [255, 255, 255],
      [241, 243, 217],
      [68, 15, 37],
      [79, 2, 82],
      [122, 229, 174],
      [114, 247, 129],
      [198, 36, 125],
      [2, 187, 135],
      [10, 205, 90],
      [188, 79, 164],
      [180, 61, 209],
      [133, 164, 49],
    ],
  },
  {
    name: 'resizes the middle as TensorFlow does',
    width: 331,
    height: 205,
    options: { centralFraction: 0.875, resize: [128, 128] },
    mean: 127.603,
    samples: [
      [114, 77, 40],
      [179, 95, 12],
      [244, 132, 6],
      [180, 149, 32],
      [93, 185, 46],
      [39, 192, 86],
      [58, 238, 91],
      [161, 215, 81],
      [209, 218, 135],
      [199, 162, 126],
      [149, 164, 178],
      [51, 116, 181],
    ],
  },
  {
    name: 'letterboxes to the top left',
    width: 300,
    height: 200,
    options: { letterbox: 128, letterboxAlign: 'top-left' },
    mean: 122.867,
    samples: [
      [248, 246, 243],
      [251, 175, 95],
      [182, 163, 8],
      [177, 91, 151],
      [104, 80, 245],
      [110, 7, 101],
      [26, 8, 16],
      [66, 10, 47],
      [114, 114, 114],
      [114, 114, 114],
      [114, 114, 114],
      [114, 114, 114],
    ],
  },
  {
    name: 'letterboxes to the centre, enlarging',
    width: 100,
    height: 150,
    options: { letterbox: [256, 192] },
    mean: 120.826,
    samples: [
      [114, 114, 114],
      [167, 206, 245],
      [114, 114, 114],
      [114, 114, 114],
      [15, 177, 172],
      [114, 114, 114],
      [230, 14, 252],
      [114, 114, 114],
      [30, 157, 166],
      [129, 15, 160],
      [114, 114, 114],
      [119, 182, 245],
    ],
  },
  {
    name: 'shrinks bicubically',
    width: 500,
    height: 375,
    options: { resize: 256, crop: 224, interpolation: 'bicubic' },
    mean: 127.373,
    samples: [
      [243, 196, 125],
      [166, 7, 152],
      [202, 61, 186],
      [199, 135, 40],
      [172, 89, 6],
      [229, 224, 220],
      [131, 223, 194],
      [11, 169, 160],
      [102, 135, 138],
      [48, 197, 164],
      [61, 2, 62],
      [77, 46, 15],
    ],
  },
]

describe('agrees with Pillow', () => {
  it.each(cases)('$name', async ({ width, height, options, mean, samples }) => {
    const decoder = createImageDecoder({ ...options, layout: 'NHWC', dtype: 'uint8' })
    const { tensor } = await decoder.decode({ data: wave(width, height), width, height, channels: 3 })
    const [, rows, columns] = tensor.shape as [number, number, number, number]
    const total = tensor.data.reduce((sum, value) => sum + value, 0)
    expect(Math.abs(total / tensor.size - mean)).toBeLessThan(0.5)
    for (const [i, sample] of samples.entries()) {
      const y = Math.floor((i * (rows - 1)) / 11)
      const x = Math.floor((((i * 7) % 12) * (columns - 1)) / 11)
      const at = (y * columns + x) * 3
      for (let c = 0; c < 3; c++) {
        expect(Math.abs(tensor.data[at + c]! - sample[c]!), `pixel ${x}, ${y}`).toBeLessThanOrEqual(3)
      }
    }
  })
})
