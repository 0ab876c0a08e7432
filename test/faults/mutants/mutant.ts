/**
 * Planted bugs: each a patch in this folder, put into a copy of the tree and never into the tree itself.
 *
 * Why plant bugs: a simulator that has never found anything may be one that can't. Each patch is a mistake that a
 * programmer could have made and that the ordinary unit tests let pass; the simulator must name the law that it breaks.
 * Tests: `test/faults/mutants.test.ts` (some of them, at random), `test/faults/mutants.long.test.ts` (all).
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** One patch. */
export interface Mutant {
  readonly name: string;
  readonly path: string;
  /** What the bug is and what it would cost: the comment on top of the patch, as one line. */
  readonly text: string;
}

const folder = fileURLToPath(new URL('.', import.meta.url));
const root = fileURLToPath(new URL('../../..', import.meta.url));
/** What the controller, its simulator and its unit tests need. */
const copied = ['src', 'machines', 'test', 'wasm', 'bin', 'package.json', 'tsconfig.json'];
/** Where a patch may reach: production code that is simulated. */
const patchable = /^(?:src|machines)\/(?!simulate\/|cli\/|intake\/http)[\w/-]+\.ts$/;

/** All planted bugs, by name. */
export function mutants(): Mutant[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.patch'))
    .sort()
    .map((file) => {
      const path = join(folder, file);
      return { name: file.slice(0, -'.patch'.length), path, text: commentOf(readFileSync(path, 'utf8')) };
    });
}

/** The files that a patch changes. Throws when one of them is no production code. */
export function filesOf({ name, path }: Mutant): string[] {
  const files = [...readFileSync(path, 'utf8').matchAll(/^\+\+\+ b\/(.+)$/gm)].map(([, file]) => file!);
  const wrong = files.filter((file) => !patchable.test(file));
  if (files.length === 0 || wrong.length > 0)
    throw new Error(`${name} changes ${wrong.join(', ') || 'nothing'}`);
  return files;
}

/** A copy of the tree in a folder of its own, with the bug in it; null: without any, as a control. Remove it with `remove`. */
export function planted(mutant: Mutant | null): string {
  const copy = mkdtempSync(join(tmpdir(), 'berth-mutant-'));
  try {
    for (const name of copied)
      cpSync(join(root, name), join(copy, name), {
        recursive: true,
        filter: (path) => !path.includes('node_modules'),
      });
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
    if (mutant) apply(mutant, copy);
    return copy;
  } catch (error) {
    remove(copy);
    throw error;
  }
}

export const remove = (copy: string): void => rmSync(copy, { recursive: true, force: true });

/** Whether the patch fits the tree as it is now. Changes nothing. */
export const fits = ({ path }: Mutant): boolean => gitApply(root, path, '--check').status === 0;

function apply({ name, path }: Mutant, copy: string): void {
  const { status, stderr } = gitApply(copy, path);
  if (status !== 0) throw new Error(`${name}.patch no longer applies, renew it: ${stderr}`);
}

function gitApply(cwd: string, ...args: readonly string[]): { status: number | null; stderr: string } {
  // As if outside of a repository: the copy is in none, and inside one git would leave out what is not its own.
  const env = { ...process.env, GIT_DIR: join(folder, 'none'), GIT_CEILING_DIRECTORIES: cwd };
  return spawnSync('git', ['apply', ...args], { cwd, env, encoding: 'utf8' });
}

function commentOf(patch: string): string {
  const lines = patch.split('\n');
  const end = lines.findIndex((line) => !line.startsWith('# '));
  return lines
    .slice(0, end)
    .map((line) => line.slice(2))
    .join(' ');
}
