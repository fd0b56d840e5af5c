import type { DType } from '@lowlat/core'
import { elementCodes } from '../../kernels/elements.ts'

/** Whether element-wise and copying kernels read and write a dtype. */
export const canStore = (dtype: DType): boolean => elementCodes[dtype] !== undefined
