/**
 * The server as one file, so that a start costs a third of its time: for harnesses that start hundreds of them.
 *
 * Why it is still the real server: the same sources, none left out or put in; only what the TypeScript loader does
 * at each start is done once. The shipped way to start is what the other tests of this folder use.
 */
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));
const main = join(root, 'src', 'cli', 'main.ts');

/** Each source still finds its neighbours on the disk (the runner, package.json) by its own address. */
const ownAddresses: Plugin = {
  name: 'own addresses',
  setup: ({ onLoad }) =>
    onLoad({ filter: /\/(src|machines)\/.*\.ts$/ }, ({ path }) => ({
      loader: 'ts',
      contents: readFileSync(path, 'utf8')
        .replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href))
        // A source that can also be run by itself asks whether it is; in the bundle none is.
        .replaceAll('import.meta.filename', JSON.stringify(path)),
    })),
};

let bundled: Promise<string> | null = null;

/** The path of the bundle; made once a process, removed when it ends. */
export function bundledServer(): Promise<string> {
  bundled ??= makeBundle();
  return bundled;
}

async function makeBundle(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'berth-bundle-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  // esbuild brings a program of its own and can't be part of a bundle.
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  const outfile = join(folder, 'berth.mjs');
  const address = JSON.stringify(pathToFileURL(main).href);
  await build({
    stdin: {
      contents: `import { main } from ${JSON.stringify(main)}; process.exitCode = await main(process.argv.slice(2));`,
      resolveDir: root,
    },
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'error',
    external: ['esbuild'],
    banner: {
      js: `import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(${address}); process.env.UV_THREADPOOL_SIZE ??= '16';`,
    },
    plugins: [ownAddresses],
  });
  return outfile;
}
