import { describe, expect, it } from 'vitest'
import { noDeclarations, readHeader } from '../../scripts/abi-headers.mjs'
import { layoutOf } from '../../scripts/abi-layout.mjs'

function layout(text: string, type: string, through: 'impl' | 'object' | 'callback') {
  const declarations = noDeclarations()
  readHeader(text, declarations, 'made-up.h')
  const found = layoutOf(declarations, type, through)
  return (
    found && {
      ...found,
      methods: Object.fromEntries(
        Object.entries(found.methods).map(([key, { slot, type }]) => [key, `${slot} ${type}`]),
      ),
    }
  )
}

const common = `
  namespace base {
  enum class Kind : int32_t { kONE };
  using Flags = uint32_t;
  using Text = char const*;
  class Root { public: virtual ~Root() noexcept = default; };
  class Versioned {
  public:
    virtual Kind language() const noexcept { return Kind::kONE; }
    virtual InterfaceInfo getInterfaceInfo() const noexcept = 0;
    virtual ~Versioned() noexcept = default;
  };
`

describe('layoutOf', () => {
  it('counts two slots for a destructor where it was first declared', () => {
    expect(
      layout(
        `${common} namespace apiv { class VDoor : public Root { public:
           virtual IDoor* getPImpl() noexcept = 0;
           virtual bool open(Flags flags, char const* name, Text const note, std::size_t size) noexcept = 0;
           virtual Dims const& shape(Dims const& a, Dims b, int64_t* const c, char const* const* d, cudaStream_t e) const = 0;
         }; } }`,
        'base::apiv::VDoor',
        'impl',
      ),
    ).toEqual({
      through: 'impl',
      slots: 5,
      methods: {
        getPImpl: '2 void*()',
        open: '3 bool(uint32_t, const char*, const char*, uint64_t)',
        shape: '4 const void*(const void*, Dims, void*, const void*, void*)',
      },
    })
  })

  it('lists every slot of an object that we provide, and what it calls itself', () => {
    expect(
      layout(
        `${common} namespace v_1_0 { class Watch : public Versioned { public:
           InterfaceInfo getInterfaceInfo() const noexcept override { return {"WATCH", 1, 2}; }
           ~Watch() override = default;
           virtual void tick(float ms) noexcept = 0;
         }; } }`,
        'base::Watch',
        'callback',
      ),
    ).toEqual({
      through: 'callback',
      slots: 5,
      interface: { kind: 'WATCH', major: 1, minor: 2 },
      methods: {
        language: '0 int32_t()',
        getInterfaceInfo: '1 Interface()',
        destructor: '2 void()',
        destroy: '3 void()',
        tick: '4 void(float)',
      },
    })
  })

  it('tells overloads apart, those with as many parameters too', () => {
    expect(
      layout(
        'class Registry { public: virtual bool add(Old& c, int32_t n) = 0; virtual ~Registry(); virtual bool add(New& c, int32_t n) = 0; };',
        'Registry',
        'object',
      )?.methods,
    ).toEqual({ add: '0 bool(void*, int32_t)', destroy: '2 void()', add_New_int32_t: '3 bool(void*, int32_t)' })
    const alike =
      'class Registry { virtual bool add(Old& c); virtual bool add(New& c); virtual bool add(New const& c) const; };'
    expect(() => layout(alike, 'Registry', 'object')).toThrow("Registry: two functions would be called 'add_New'")
  })

  it('keeps the slot of a function that is overridden, and adds one that only looks alike', () => {
    expect(
      layout(
        `class A { virtual void f(int32_t first, Dims const& d) noexcept; virtual ~A(); };
         class B : public A { void f(int32_t const other, Dims const& dims) noexcept override; virtual void f(int32_t a) const; };`,
        'B',
        'object',
      )?.methods,
    ).toEqual({ f: '0 void(int32_t, const void*)', destroy: '2 void()', f_int32_t: '3 void(int32_t)' })
  })

  it('refuses what it cannot lay out', () => {
    const two = 'class A { virtual void f(); }; class B { virtual void g(); }; class C : public A, public B {};'
    expect(() => layout(two, 'C', 'object')).toThrow('C has several bases')
    expect(() => layout('class A : public Unseen {};', 'A', 'object')).toThrow(
      'A derives from Unseen, which is not declared',
    )
    expect(() => layout('class A { virtual Odd f(); };', 'A', 'object')).toThrow("type 'Odd' is not known")
    expect(layout('', 'A', 'object')).toBeUndefined()
  })
})
