/** Who signs for the page: a demo server, or a key that the user handed over. Test: `test/dashboard/server.test.ts`. */
import { Problem, type Signer } from './server.ts';

/** A token is asked for anew so long before it ends, ms. */
const marginMs = 60_000;
const tokenMs = 300_000;

/** Lets a server that runs with `--demo` sign for its demo tenants and for the operator. */
export function demoSigner(base: string): Signer {
  const tokens = new Map<string, { readonly token: string; readonly goodUntilMs: number }>();
  const sign = async (body: object): Promise<string> => {
    const response = await fetch(`${base}/demo/sign`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const answer = (await response.json().catch(() => ({}))) as { jws?: string; code?: string };
    if (!response.ok || answer.jws === undefined) throw new Problem(response.status, answer);
    return answer.jws;
  };
  return {
    names: ['admin', 'acme', 'globex'],
    async token(name) {
      const known = tokens.get(name);
      if (known && known.goodUntilMs > Date.now() + marginMs) return known.token;
      const token = await sign({ as: name, kind: 'token' });
      tokens.set(name, { token, goodUntilMs: Date.now() + tokenMs });
      return token;
    },
    request: (name, job) => sign({ as: name, kind: 'request', job }),
  };
}
