// @ts-check
// Reads C++ headers as text: which classes have which virtual functions in which order, which values enumerators have, and which
// C functions there are. It knows as much of the language as TensorRT's headers use and refuses what it does not know.

/**
 * @typedef {object} VirtualFunction
 * @property {string} name `~` for the destructor
 * @property {string[]} parameters types with names as written, default values left out
 * @property {boolean} isConst
 * @property {string} result its type as written
 * @property {readonly string[]} body tokens between the braces; empty where there is no body
 *
 * @typedef {object} ClassDeclaration
 * @property {string} name qualified: `nvinfer1::apiv::VBuilder`
 * @property {readonly string[]} bases as written
 * @property {VirtualFunction[]} virtuals in the order of the text, those that override included
 *
 * @typedef {object} FunctionDeclaration
 * @property {string} result
 * @property {string[]} parameters
 *
 * @typedef {object} Declarations
 * @property {Map<string, ClassDeclaration>} classes by qualified name
 * @property {Map<string, Record<string, number>>} enums by qualified name; NaN where a value is written in a way that is not known
 * @property {Map<string, FunctionDeclaration>} functions with C linkage
 * @property {Map<string, string>} macros without parameters
 * @property {Map<string, string>} aliases what `using` calls a type, by simple name
 */

/** What stands for nothing in this dialect: attributes written as macros. */
const attributes = /^(TRT_\w+|TRTNOEXCEPT|TENSORRTAPI)$/

/** @returns {Declarations} */
export function noDeclarations() {
  return { classes: new Map(), enums: new Map(), functions: new Map(), macros: new Map(), aliases: new Map() }
}

/**
 * Adds what a header declares.
 * @param {string} text
 * @param {Declarations} into
 * @param {string} file named in errors
 */
export function readHeader(text, into, file) {
  const code = preprocess(withoutComments(text), into.macros, file)
  new Reader(tokens(code, file), into, file).scope('')
}

/** Comments and continued lines become spaces; strings are kept. @param {string} text */
function withoutComments(text) {
  return text
    .replace(/\\\r?\n/g, ' ')
    .replace(/"(?:\\.|[^"\\\n])*"|\/\/[^\n]*|\/\*[\s\S]*?\*\//g, (part) => (part[0] === '"' ? part : ' '))
}

/**
 * Takes the branches that g++ takes for C++17 and collects macros without parameters.
 * @param {string} text
 * @param {Map<string, string>} macros
 * @param {string} file
 */
function preprocess(text, macros, file) {
  /** @type {{ taken: boolean, done: boolean }[]} */
  const open = []
  const active = () => open.every(({ taken }) => taken)
  let code = ''
  for (const line of text.split('\n')) {
    const directive = /^\s*#\s*(\w+)\s*(.*?)\s*$/.exec(line)
    if (!directive) {
      if (active()) code += `${line}\n`
      continue
    }
    const [, word = '', rest = ''] = directive
    const last = open.at(-1)
    if (word === 'if' || word === 'ifdef' || word === 'ifndef') {
      const taken = condition(word, rest, file)
      open.push({ taken, done: taken })
    } else if ((word === 'elif' || word === 'else') && last) {
      last.taken = !last.done && (word === 'else' || condition('if', rest, file))
      last.done ||= last.taken
    } else if (word === 'endif' && last) open.pop()
    else if (word === 'define') {
      const macro = /^(\w+)(?:\s+(.*))?$/.exec(rest)
      if (macro && active()) macros.set(/** @type {string} */ (macro[1]), macro[2] ?? '')
    } else if (!['include', 'undef', 'pragma', 'error'].includes(word))
      throw new Error(`${file}: directive #${word} is not known`)
  }
  if (open.length > 0) throw new Error(`${file}: an #if is not closed`)
  return code
}

/** @param {string} word @param {string} rest @param {string} file */
function condition(word, rest, file) {
  if (word === 'ifndef') return true // guards against a second inclusion
  if (word === 'ifdef') return false // _MSC_VER, TENSORRT_BUILD_LIB: other compilers, NVIDIA's own build
  if (/^__cplusplus >= \d+L$/.test(rest)) return Number.parseInt(rest.slice(15), 10) <= 201703
  if (/^__GNUC__ < \d+$/.test(rest)) return false
  if (/^!\s*\w+$/.test(rest) || /^!\s*defined\s*\(\w+\)( && !\s*defined\s*\(\w+\))*$/.test(rest)) return true
  throw new Error(`${file}: condition '#${word} ${rest}' is not known`)
}

/** @param {string} code @param {string} file */
function tokens(code, file) {
  const found =
    code.match(/"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\])*'|[A-Za-z_]\w*|\d[\w.]*|::|<<|->|\[\[|\]\]|[^\s\w]/g) ?? []
  /** @type {string[]} */
  const kept = []
  for (let index = 0; index < found.length; index++) {
    const token = /** @type {string} */ (found[index])
    if (token === '[[') index = after(found, index, '[[', ']]', file) - 1
    else if (!attributes.test(token)) kept.push(token)
    else if (token.endsWith('_BECAUSE')) index = after(found, index + 1, '(', ')', file) - 1
  }
  return kept
}

/**
 * The position behind the bracket that closes the one at `index`.
 * @param {readonly string[]} list @param {number} index @param {string} opening @param {string} closing @param {string} file
 */
function after(list, index, opening, closing, file) {
  if (list[index] !== opening) throw new Error(`${file}: expected '${opening}', found '${list[index]}'`)
  let depth = 0
  for (let at = index; at < list.length; at++) {
    if (list[at] === opening) depth++
    else if (list[at] === closing && --depth === 0) return at + 1
  }
  throw new Error(`${file}: '${opening}' is not closed`)
}

class Reader {
  /** @param {readonly string[]} list @param {Declarations} into @param {string} file */
  constructor(list, into, file) {
    this.list = list
    this.into = into
    this.file = file
    this.at = 0
    this.inC = false
  }

  /** @param {string} opening @param {string} closing @returns {string[]} what stands between; moves behind it */
  group(opening, closing) {
    const end = after(this.list, this.at, opening, closing, this.file)
    const inside = this.list.slice(this.at + 1, end - 1)
    this.at = end
    return inside
  }

  /** The tokens up to one of `stops` outside all parentheses; stays in front of it. @param {string[]} stops */
  until(...stops) {
    /** @type {string[]} */
    const passed = []
    while (this.at < this.list.length && !stops.includes(/** @type {string} */ (this.list[this.at]))) {
      if (this.list[this.at] === '(') passed.push('(', ...this.group('(', ')'), ')')
      else passed.push(/** @type {string} */ (this.list[this.at++]))
    }
    if (this.at >= this.list.length) throw new Error(`${this.file}: expected one of ${stops.join(' ')}, found the end`)
    return passed
  }

  /** Declarations up to the end of the text or the brace that closes the scope. @param {string} scope @param {ClassDeclaration} [owner] */
  scope(scope, owner) {
    while (this.at < this.list.length) {
      const token = this.list[this.at]
      if (token === '}') return
      if (token === ';') this.at++
      else if (token === 'namespace') this.namespace(scope)
      else if (token === 'class' || token === 'struct') this.class(scope)
      else if (token === 'enum') this.enum(scope)
      else if (token === 'template') this.template()
      else if (token === 'extern' && this.list[this.at + 1] === '"C"') this.external(scope)
      else if ((token === 'public' || token === 'protected' || token === 'private') && this.list[this.at + 1] === ':')
        this.at += 2
      else this.declaration(owner)
    }
  }

  /** @param {string} scope */
  namespace(scope) {
    this.at++
    const name = this.until('{').join('')
    this.at++
    this.scope(join(scope, name))
    this.at++
  }

  template() {
    this.at++
    this.group('<', '>')
    this.declaration(undefined)
  }

  /** @param {string} scope */
  class(scope) {
    this.at++
    const head = this.until('{', ';')
    if (this.list[this.at] === ';') return
    this.at++
    const colon = head.indexOf(':')
    const name = head.slice(0, colon < 0 ? undefined : colon).filter((token) => token !== 'final')
    const bases =
      colon < 0
        ? []
        : split(head.slice(colon + 1), ',').map((base) =>
            base.filter((token) => !/^(public|protected|private|virtual)$/.test(token)).join(''),
          )
    const found = { name: join(scope, name.join('')), bases, virtuals: [] }
    this.into.classes.set(found.name, found)
    this.scope(found.name, found)
    this.at++
  }

  /** @param {string} scope */
  enum(scope) {
    this.at++
    const head = this.until('{', ';')
    if (this.list[this.at] === ';') return
    const name = join(scope, head.filter((token) => token !== 'class')[0] ?? '')
    /** @type {Record<string, number>} */
    const values = {}
    let next = 0
    for (const [key, ...rest] of split(this.group('{', '}'), ',')) {
      if (key === undefined) continue
      if (rest.length > 0) next = integer(rest.slice(1), values)
      values[key] = next++
    }
    this.into.enums.set(name, values)
  }

  /** @param {string} scope */
  external(scope) {
    this.at += 2
    const outer = this.inC
    this.inC = true
    if (this.list[this.at] === '{') {
      this.at++
      this.scope(scope)
      this.at++
    } else this.declaration(undefined)
    this.inC = outer
  }

  /** A function, variable or alias; functions that are virtual become the class's. @param {ClassDeclaration | undefined} owner */
  declaration(owner) {
    const head = this.until(';', '{')
    const body = this.list[this.at] === '{' ? this.group('{', '}') : []
    const open = head.indexOf('(')
    if (head[0] === 'using' && head[2] === '=')
      this.into.aliases.set(/** @type {string} */ (head[1]), head.slice(3).join(' '))
    if (this.inC && !owner && open > 0) {
      const { result, name, parameters } = signature(head, open)
      this.into.functions.set(name, { result, parameters })
    }
    if (!owner || open < 0) return
    const tail = head.slice(after(head, open, '(', ')', this.file))
    if (!head.slice(0, open).includes('virtual') && !tail.includes('override') && !tail.includes('final')) return
    const { result, name, parameters } = signature(head, open)
    const isDestructor = head[open - 2] === '~'
    owner.virtuals.push({ name: isDestructor ? '~' : name, parameters, isConst: tail.includes('const'), result, body })
  }
}

/** @param {readonly string[]} head @param {number} open where its parenthesis opens */
function signature(head, open) {
  const end = after(head, open, '(', ')', 'signature')
  const parameters = split(head.slice(open + 1, end - 1), ',')
    .filter((part) => part.length > 0)
    .map((part) => (part.includes('=') ? part.slice(0, part.indexOf('=')) : part).join(' '))
  const result = head.slice(0, open - 1).filter((token) => !/^(virtual|inline|constexpr|~)$/.test(token))
  return { result: result.join(' '), name: /** @type {string} */ (head[open - 1]), parameters }
}

/** @param {string} scope @param {string} name */
function join(scope, name) {
  return [scope, name].filter(Boolean).join('::')
}

/** Splits at separators outside parentheses and angle brackets. @param {readonly string[]} list @param {string} separator */
function split(list, separator) {
  /** @type {string[][]} */
  const parts = [[]]
  let depth = 0
  for (const token of list) {
    if (token === '(' || token === '<' || token === '{') depth++
    if (token === ')' || token === '>' || token === '}') depth--
    if (token === separator && depth === 0) parts.push([])
    else parts.at(-1)?.push(token)
  }
  return parts
}

/** An enumerator's value: a literal, an earlier enumerator, or one shifted by another; NaN for anything else. @param {string[]} list @param {Record<string, number>} known */
function integer(list, known) {
  const [first = '', operator, second = ''] = list[0] === '-' ? [`-${list[1]}`, ...list.slice(2)] : list
  const value = (/** @type {string} */ token) => {
    const literal = /^(-?(?:0[xX][0-9a-fA-F]+|\d+))[uUlL]*$/.exec(token)
    return literal ? Number(literal[1]) : (known[token] ?? Number.NaN)
  }
  if (operator === undefined) return value(first)
  return operator === '<<' && list.length === 3 ? value(first) * 2 ** value(second) : Number.NaN
}
