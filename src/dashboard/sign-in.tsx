/**
 * Signing in where nobody signs for the page: the user chooses key files, and the page signs with them while it is open.
 *
 * Why key files and no password: the server knows public keys alone, so there is nothing on it that could be stolen and used.
 * Test: `test/browser/sign-in.test.ts`.
 */
import { useState } from 'preact/hooks';
import { Problem, Server, type Signer } from './server.ts';
import { KeyProblem, keySigner, type NamedKey } from './signer.ts';
import { Failure } from './ui.tsx';

/** A private JWK has about 200 characters; a file beyond this was chosen by mistake. */
const fileBytesMax = 4_096;
const keysMax = 16;

interface Trouble {
  readonly reason: string;
  readonly next: string;
}

/** A key as it was chosen: known by its file while the user may still change its name. */
interface Chosen extends NamedKey {
  readonly file: string;
}

export interface SignedIn {
  readonly signer: Signer;
  /** Whose eyes the page sees with. */
  readonly name: string;
}

export function SignIn({ onSignedIn }: { readonly onSignedIn: (who: SignedIn) => void }) {
  const [keys, setKeys] = useState<readonly Chosen[]>([]);
  const [trouble, setTrouble] = useState<Trouble | null>(null);
  const [isBusy, setBusy] = useState(false);
  const tell = (error: unknown): void => setTrouble(troubleOf(error));
  const choose = (files: readonly File[]): void => {
    setTrouble(null);
    readAll(files).then((read) => setKeys(merged(keys, read)), tell);
  };
  const enter = (event: Event): void => {
    event.preventDefault();
    setTrouble(null);
    setBusy(true);
    signedIn(keys)
      .then(onSignedIn, tell)
      .finally(() => setBusy(false));
  };
  return (
    <main class="sign-in">
      <h1>Berth</h1>
      <form class="panel" onSubmit={enter} aria-labelledby="sign-in-title">
        <h2 id="sign-in-title">Sign in with a key</h2>
        <p>
          Choose one or more private key files: <code>keys/admin.jwk</code> of the server's data directory
          shows everything, a tenant's key what is its own. Keys stay in this page and are sent nowhere; a
          reload forgets them.
        </p>
        <label class="file">
          <span>Key files</span>
          <input
            type="file"
            accept=".jwk,.json,application/json"
            multiple
            onChange={(event) => choose([...(event.currentTarget.files ?? [])])}
          />
        </label>
        {keys.map((key, i) => (
          <div class="key" key={key.file}>
            <label>
              <span>{i === 0 && keys.length > 1 ? 'Name (the page sees as this one)' : 'Name'}</span>
              <input
                type="text"
                value={key.name}
                maxLength={32}
                required
                pattern="[a-z0-9][a-z0-9\-]*"
                title="as the server knows it: a-z, 0-9 and -"
                autocomplete="off"
                spellcheck={false}
                onChange={(event) => setKeys(renamed(keys, i, event.currentTarget.value))}
              />
            </label>
            <button type="button" onClick={() => setKeys(keys.filter((_, at) => at !== i))}>
              Remove
            </button>
          </div>
        ))}
        {trouble ? <Failure reason={trouble.reason} next={trouble.next} /> : null}
        <button type="submit" class="main" disabled={keys.length === 0 || isBusy}>
          {isBusy ? 'Signing in …' : 'Sign in'}
        </button>
        <p class="note">
          No key at hand? <code>berth serve --demo</code> on your own machine needs none, and{' '}
          <code>berth key new</code> makes one for an operator to register.
        </p>
      </form>
    </main>
  );
}

async function readAll(files: readonly File[]): Promise<readonly Chosen[]> {
  return Promise.all(
    files.map(async (file) => {
      const noKey = new KeyProblem(`the file ${file.name} holds no key`, 'choose a .jwk file');
      if (file.size > fileBytesMax) throw noKey;
      const jwk = await file
        .text()
        .then((text) => JSON.parse(text) as unknown)
        .catch(() => Promise.reject(noKey));
      return { file: file.name, name: file.name.replace(/\.(jwk|json)$/i, '').toLowerCase(), jwk };
    }),
  );
}

/** The operator's first: it sees everything. */
function merged(known: readonly Chosen[], more: readonly Chosen[]): readonly Chosen[] {
  const byFile = new Map([...known, ...more].map((key) => [key.file, key]));
  const isAdmin = ({ name }: NamedKey): number => Number(name === 'admin');
  return [...byFile.values()].sort((a, b) => isAdmin(b) - isAdmin(a)).slice(0, keysMax);
}

const renamed = (keys: readonly Chosen[], at: number, name: string): readonly Chosen[] =>
  keys.map((key, i) => (i === at ? { ...key, name } : key));

/** Tries each key at the server, so that a wrong name is told here and not somewhere in a view. */
async function signedIn(keys: readonly NamedKey[]): Promise<SignedIn> {
  const signer = await keySigner(keys);
  const [name = ''] = signer.names;
  const server = new Server({ signer, name, base: '', fetch: fetch.bind(globalThis) });
  for (const as of signer.names) {
    const answer = await server.ask('/v1/about', { as });
    if (answer.status === 401)
      throw new KeyProblem(
        `the server does not know this key as one of ${as}`,
        'mend the name, or have the key registered; a clock that is minutes wrong spoils tokens, too',
      );
    if (!answer.ok) throw new Problem(answer.status, await answer.json().catch(() => ({})));
  }
  return { signer, name };
}

function troubleOf(error: unknown): Trouble {
  const isKnown = error instanceof KeyProblem || error instanceof Problem;
  if (isKnown) return { reason: `${sentence(error.message)}.`, next: `Next: ${error.next}.` };
  return { reason: 'The server does not answer.', next: 'Next: see that it runs, then try again.' };
}

const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
