/** The page's composition root: chooses where the facts come from and who signs, and draws. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { render } from 'preact';
import { addressOf } from './address.ts';
import { AddressBar } from './address-bar.ts';
import { App } from './app.tsx';
import { followServer } from './live.ts';
import { Model } from './model.ts';
import { type Beginning, Player } from './player.ts';
import { playRecorded, recordedIn } from './recorded.ts';
import { scriptable } from './scriptable.ts';
import { Server } from './server.ts';
import { Shelf } from './shelf.ts';
import { type SignedIn, SignIn } from './sign-in.tsx';
import { demoNames, demoSigner } from './signer.ts';
import { Loading } from './ui.tsx';

/** Between two pictures of a log in which nothing happens but that time passes, ms. */
const tickMs = 1_000;
/** Between two tries to reach a server that does not answer, ms. */
const retryMs = 1_000;

const page = document.getElementById('page')!;
const hash = (text: string): string => bytesToHex(sha256(utf8ToBytes(text)));
const newPlayer = (begin: Beginning | null = null): Player => new Player(hash, begin);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const recorded = recordedIn(document);
const demo = recorded === null ? await demoSignedIn() : null;
const who = recorded === null ? (demo ?? (await askedToSignIn())) : null;
const server = who ? new Server({ ...who, base: '', fetch: fetch.bind(globalThis) }) : null;

const bar = new AddressBar({
  hash: () => location.hash,
  write: (how, hash) => history[how](null, '', hash),
  after: (ms, run) => void setTimeout(run, ms),
});
const soon = (draw: () => void): void => void requestAnimationFrame(draw);

const model = new Model({
  player: newPlayer(),
  address: addressOf(location.hash),
  server,
  // Keys are in this page's memory alone.
  ...(who && !demo ? { signOut: () => location.reload() } : {}),
  navigate: bar.navigate,
  soon,
  elapsedMs: () => performance.now(),
});
const shelf = new Shelf({ own: model, newPlayer, pause, navigate: bar.navigate, soon, onChange: draw });

addEventListener('popstate', () => {
  bar.arrived();
  shelf.shown.arrive(addressOf(location.hash));
});
setInterval(() => shelf.shown.tick(), tickMs);
draw();
// For whoever looks at the page with a program of their own; see README.md.
Object.assign(globalThis, { berth: scriptable(() => shelf.shown) });

if (recorded) await playRecorded(model, recorded, { newPlayer, pause });
else if (server)
  await followServer({ model, server, newPlayer, pause, signal: new AbortController().signal });

/** The frame around the log that is shown. Another log begins with views that remember nothing of the one before. */
function draw(): void {
  const { shown } = shelf;
  render(<App key={shown === model ? 'own' : 'opened'} model={shown} shelf={shelf} />, page);
}

/** The operator, where the server signs for this page; null where it does not. Waits for a server that does not answer. */
async function demoSignedIn(): Promise<SignedIn | null> {
  for (;;) {
    try {
      const names = await demoNames('');
      return names.length === 0 ? null : { signer: demoSigner('', names), name: 'admin' };
    } catch {
      render(
        <main>
          <h1>Berth</h1>
          <Loading what="Waiting for the server" />
        </main>,
        page,
      );
      await pause(retryMs);
    }
  }
}

function askedToSignIn(): Promise<SignedIn> {
  return new Promise((resolve) => render(<SignIn onSignedIn={resolve} />, page));
}
