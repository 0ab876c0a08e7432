/**
 * The part of the WebAssembly JavaScript API that the runner uses. Why here: the compiler's own
 * declarations come with the whole browser (`lib: dom`), and a server file that could name `window`
 * by mistake is worse than forty lines.
 * Source: WebAssembly JavaScript Interface, W3C.
 */
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Memory {
    constructor(limits: { initial: number; maximum?: number });
    readonly buffer: ArrayBuffer;
  }
  type Imports = Record<string, Readonly<Record<string, unknown>>>;
  class Instance {
    constructor(module: Module, imports?: Imports);
    readonly exports: Readonly<Record<string, unknown>>;
  }
  class CompileError extends Error {}
  class LinkError extends Error {}
  class RuntimeError extends Error {}
}
