/**
 * Capabilities: what a guest may ask for, and which functions each one gives it.
 *
 * Why by import: a core WebAssembly module can't reach anything that it doesn't import, so comparing
 * the import list with the declared capabilities says everything about its powers, before it runs.
 * Test: `test/attestation/wasm-module.test.ts`.
 */
import type { ModuleImport } from './wasm-module.ts';

/** The only import module that anything is linked from. */
export const wasiModule = 'wasi_snapshot_preview1';

/**
 * Which functions each capability gives a guest; `env` stands for every `env:KEY`, `always` needs none.
 *
 * Why a table: it is checked at the door (declared?), again where the guest is linked (nothing else
 * is), and it is the documentation. A function that stands in no row can't be had at all.
 */
export const capabilityFunctions: ReadonlyMap<string, readonly string[]> = new Map([
  [
    'stdio',
    [
      'fd_read',
      'fd_write',
      'fd_close',
      'fd_seek',
      'fd_tell',
      'fd_fdstat_get',
      'fd_fdstat_set_flags',
      'fd_prestat_get',
      'fd_prestat_dir_name',
      'fd_filestat_get',
    ],
  ],
  ['args', ['args_get', 'args_sizes_get']],
  ['env', ['environ_get', 'environ_sizes_get']],
  ['clock:virtual', ['clock_time_get', 'clock_res_get']],
  ['clock:real', ['clock_time_get', 'clock_res_get']],
  ['random:seeded', ['random_get']],
  ['random:crypto', ['random_get']],
  ['always', ['proc_exit', 'sched_yield']],
]);

const environmentKey = /^env:[A-Z_][A-Z0-9_]{0,63}$/;

/** Is this a capability that exists? The list is closed: `env:KEY` and the rows of the table. */
export function isCapability(text: string): boolean {
  if (environmentKey.test(text)) return true;
  return text !== 'env' && text !== 'always' && capabilityFunctions.has(text);
}

/** Names of the functions that these capabilities give, those included that every guest has. */
export function grantedFunctions(capabilities: readonly string[]): ReadonlySet<string> {
  const granted = new Set(capabilityFunctions.get('always'));
  for (const capability of capabilities) {
    if (!isCapability(capability)) continue;
    const row = capability.startsWith('env:') ? 'env' : capability;
    for (const name of capabilityFunctions.get(row) ?? []) granted.add(name);
  }
  return granted;
}

/** An import that the declared capabilities don't cover. */
export interface UndeclaredImport {
  readonly module: string;
  readonly name: string;
  /** Capabilities any one of which would cover it (`env:*` for any key); empty when none exists. */
  readonly needs: readonly string[];
}

/** Imports beyond the declared capabilities, in the module's order; empty means it may be linked. */
export function undeclaredImports(
  imports: readonly ModuleImport[],
  capabilities: readonly string[],
): UndeclaredImport[] {
  const granted = grantedFunctions(capabilities);
  const isWasi = (wanted: ModuleImport): boolean =>
    wanted.module === wasiModule && wanted.kind === 'function';
  return imports
    .filter((wanted) => !(isWasi(wanted) && granted.has(wanted.name)))
    .map((wanted) => ({
      module: wanted.module,
      name: wanted.name,
      needs: isWasi(wanted) ? givers(wanted.name) : [],
    }));
}

function givers(name: string): string[] {
  return [...capabilityFunctions]
    .filter(([, functions]) => functions.includes(name))
    .map(([capability]) => (capability === 'env' ? 'env:*' : capability));
}
