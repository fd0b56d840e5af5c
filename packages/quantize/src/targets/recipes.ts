import { cpuRecipe } from './cpu.ts'
import type { Recipe, Target } from './recipe.ts'
import { cudaRecipe, tensorrtRecipe } from './symmetric.ts'

export const recipes: Readonly<Record<Target, Recipe>> = {
  cpu: cpuRecipe,
  cuda: cudaRecipe,
  trt: tensorrtRecipe,
}
