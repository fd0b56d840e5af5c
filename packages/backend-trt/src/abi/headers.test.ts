import { describe, expect, it } from 'vitest'
import { noDeclarations, readHeader } from '../../scripts/abi-headers.mjs'

function read(text: string) {
  const declarations = noDeclarations()
  readHeader(text, declarations, 'made-up.h')
  return declarations
}

describe('readHeader', () => {
  it('finds virtual functions in the order of the text, in whatever namespaces', () => {
    const { classes } = read(`
      namespace store {
      namespace v_1_0 { class Shelf; class Box /* not virtual at all */ { int size; }; }
      class TRT_DEPRECATED Shelf : public v_1_0::Base
      {
      public:
          Shelf() = default;
          explicit Shelf(int size) : mSize{size} {}
          virtual void put(Box const& box, int32_t count = 1) noexcept = 0; // virtual void commented();
          TRT_NODISCARD_BECAUSE("virtual reasons") virtual bool isFull() const noexcept { return mSize > 0; }
          virtual ~Shelf() noexcept = default;
          Info describe() const noexcept override { return Info{"SHELF", 2, 1}; }
          int notVirtual() { return 1; }
          char const* last(int) final;
          Shelf& operator=(Shelf const&) & = default;
      protected:
          apiv::VShelf* mImpl{};
          int mSize;
      };
      } // namespace store
    `)
    expect([...classes.keys()]).toEqual(['store::v_1_0::Box', 'store::Shelf'])
    const shelf = classes.get('store::Shelf')!
    expect(shelf.bases).toEqual(['v_1_0::Base'])
    expect(shelf.virtuals.map(({ name, parameters, isConst, result }) => [result, name, parameters, isConst])).toEqual([
      ['void', 'put', ['Box const & box', 'int32_t count'], false],
      ['bool', 'isFull', [], true],
      ['', '~', [], false],
      ['Info', 'describe', [], true],
      ['char const *', 'last', ['int'], false],
    ])
    expect(shelf.virtuals[3]?.body).toContain('"SHELF"')
  })

  it('counts enumerators as C++ does', () => {
    const { enums } = read(`
      enum class Colour : int32_t;
      namespace paint {
      enum class Colour : int32_t { kRED, kGREEN TRT_DEPRECATED_ENUM = 0x10, kBLUE, kLIME = kGREEN, kMASK = 1U << 5, kLAST = -1, kODD = 1 | 2 };
      struct Can { enum class Size : int32_t { kSMALL = 3, kLARGE, }; };
      }
    `)
    expect(enums.get('paint::Colour')).toEqual({
      kRED: 0,
      kGREEN: 16,
      kBLUE: 17,
      kLIME: 16,
      kMASK: 32,
      kLAST: -1,
      kODD: NaN,
    })
    expect(enums.get('paint::Can::Size')).toEqual({ kSMALL: 3, kLARGE: 4 })
  })

  it('finds functions with C linkage, one by one or in a block', () => {
    const { functions } = read(`
      extern "C" TENSORRTAPI void* makeThing(void* logger, int32_t version) noexcept;
      extern "C"
      {
          struct opaque;
          TENSORRTAPI bool startThings(void* logger, char const* space);
      }
      int notInC(int a);
    `)
    expect([...functions]).toEqual([
      ['makeThing', { result: 'void *', parameters: ['void * logger', 'int32_t version'] }],
      ['startThings', { result: 'bool', parameters: ['void * logger', 'char const * space'] }],
    ])
  })

  it('takes the branches that g++ takes', () => {
    const { classes, macros, aliases } = read(`
      #ifndef MADE_UP_H
      #define MADE_UP_H
      #define MAJOR 10 //!< explained
      #define CALL(a, b) \\
        a(b)
      #ifdef _MSC_VER
      class Windows { virtual void a(); };
      #else
      class Others { virtual void a(); };
      #endif
      #if __cplusplus >= 201907L
      class Later {};
      #elif __cplusplus >= 201603L
      class Now {};
      #else
      class Before {};
      #endif
      using Flags = uint32_t;
      #endif
    `)
    expect([...classes.keys()]).toEqual(['Others', 'Now'])
    expect(macros.get('MAJOR')).toBe('10')
    expect(aliases.get('Flags')).toBe('uint32_t')
  })

  it('refuses what it does not know', () => {
    expect(() => read('#if SOMETHING > 3\n#endif')).toThrow("made-up.h: condition '#if SOMETHING > 3' is not known")
    expect(() => read('#frob')).toThrow('made-up.h: directive #frob is not known')
    expect(() => read('#ifndef A')).toThrow('made-up.h: an #if is not closed')
    expect(() => read('class A { virtual void f(')).toThrow("made-up.h: '(' is not closed")
    expect(() => read('class A')).toThrow('made-up.h: expected one of { ;, found the end')
  })
})
