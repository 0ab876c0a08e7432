/** The signed head: where the controller itself says, with its key, that its log stood. */
import { useState } from 'preact/hooks';
import { type Asked, useAsked } from './asked.tsx';
import { checkHead, type HeadVerdict } from './audit-check.ts';
import { clockTime, count } from './quantities.ts';
import { Empty, Failure, Go, Loading, Panel, type ViewProps } from './ui.tsx';

interface Told extends HeadVerdict {
  readonly jws: string;
}

export function HeadPanel({ model }: ViewProps) {
  const { server } = model;
  const [tries, setTries] = useState(0);
  const asked = useAsked<Told>(server && tries > 0 ? String(tries) : null, async () => {
    const { jws } = await server!.json<{ jws: string }>('/v1/log/head');
    const keys = await server!.json<Parameters<typeof checkHead>[1]>('/.well-known/jwks.json');
    return { jws, ...(await checkHead(jws, keys, (seq) => model.recordAt(seq))) };
  });
  return (
    <Panel title="Signed head">
      <p class="soft">
        A chain shows every change but two: an end that was cut off, and all made anew. A signature over the
        head, kept by somebody else, shows both.
      </p>
      {server ? (
        <p>
          <button type="button" class="primary" onClick={() => setTries(tries + 1)}>
            {tries === 0 ? 'Verify the newest signed head' : 'Ask again'}
          </button>
        </p>
      ) : (
        <Empty>
          This page has no server to ask. Signed heads lie beside an export:{' '}
          <code>berth log verify FILE --key JWKS</code>
        </Empty>
      )}
      {asked ? <Answer model={model} asked={asked} /> : null}
    </Panel>
  );
}

function Answer({ model, asked }: ViewProps & { readonly asked: Asked<Told> }) {
  if (asked.kind === 'asking') return <Loading what="Asking for the newest head" />;
  if (asked.kind === 'failed')
    return (
      <Failure
        reason={`No head is verified: ${asked.reason}.`}
        next={
          crypto.subtle
            ? 'A controller signs one every --head-every facts, and at a clean stop.'
            : 'Browsers verify signatures only on https or localhost.'
        }
      />
    );
  const { head, jws, verdict } = asked.answer;
  return (
    <>
      <p class={`verdict ${verdict === 'same' ? 'good' : verdict === 'unknown' ? '' : 'bad'}`}>
        <strong>{sentences[verdict][0]}</strong> {sentences[verdict][1]} Seq{' '}
        <Go model={model} to={{ at: head.seq }}>
          {count(head.seq)}
        </Go>
        , signed {clockTime(head.at)} by life {head.epoch}.
      </p>
      <p>
        Hash <code class="hash">{head.hash}</code>
      </p>
      <details>
        <summary>The signature, to keep as a witness</summary>
        <pre class="jws">{jws}</pre>
      </details>
    </>
  );
}

const sentences: Readonly<Record<HeadVerdict['verdict'], readonly [string, string]>> = {
  same: ['✓ The signature holds, and the record has that very hash.', ''],
  differs: [
    '✕ The signature holds, but the record here has another hash.',
    'This log is not the one that was signed.',
  ],
  foreign: [
    '✕ The signature holds, but it names another log.',
    'This log does not begin with the signed one’s first record.',
  ],
  unknown: [
    '◌ The signature holds; the record it names is not in this page.',
    'It may lie before its beginning.',
  ],
};
