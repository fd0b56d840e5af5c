import { testExits } from './testing/native-exits.ts'

testExits(100)
