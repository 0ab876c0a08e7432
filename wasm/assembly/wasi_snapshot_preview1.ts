/**
 * WASI preview 1 for the AssemblyScript guests; `c/wasi.h` says what each function does.
 *
 * AssemblyScript names the module of an import after the file that declares it. Hence this file's name, and hence
 * nothing else may stand in it. `usize` is a 32-bit offset into linear memory. Returns 0, else an error number.
 */
export declare function fd_read(fd: i32, spans: usize, count: usize, done: usize): i32;
export declare function fd_write(fd: i32, spans: usize, count: usize, done: usize): i32;
export declare function args_sizes_get(count: usize, bytes: usize): i32;
export declare function args_get(pointers: usize, text: usize): i32;
export declare function proc_exit(code: i32): void;
