/** The page's composition root: chooses where the facts come from, and draws. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { render } from 'preact';
import { addressOf, hashOf } from './address.ts';
import { App } from './app.tsx';
import { followServer } from './live.ts';
import { Model } from './model.ts';
import { Player } from './player.ts';
import { playRecorded, recordedIn } from './recorded.ts';
import { Server } from './server.ts';
import { demoSigner } from './signer.ts';

const hash = (text: string): string => bytesToHex(sha256(utf8ToBytes(text)));
const newPlayer = (): Player => new Player(hash);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const recorded = recordedIn(document);
const server =
  recorded === null
    ? new Server({ signer: demoSigner(''), name: 'admin', base: '', fetch: fetch.bind(globalThis) })
    : null;

const model = new Model({
  player: newPlayer(),
  address: addressOf(location.hash),
  server,
  navigate: (address) => {
    // Moving through time is no new place to go back to; another view is.
    const before = addressOf(location.hash);
    const isPlace = before.view !== address.view || before.job !== address.job;
    history[isPlace ? 'pushState' : 'replaceState'](null, '', hashOf(address));
  },
  soon: (draw) => requestAnimationFrame(draw),
});

addEventListener('popstate', () => model.arrive(addressOf(location.hash)));
render(<App model={model} />, document.getElementById('page')!);

if (recorded) await playRecorded(model, recorded, pause);
else if (server)
  await followServer({ model, server, newPlayer, pause, signal: new AbortController().signal });
