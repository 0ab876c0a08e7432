/**
 * An attestation report taken apart: what it claims, and whether the controller's key signed it.
 *
 * Why verified here too: a page that says "verified" because a server said so has verified nothing.
 * Test: `test/dashboard/report.test.ts`.
 */
import { compactVerify, createLocalJWKSet, decodeJwt, decodeProtectedHeader, type JSONWebKeySet } from 'jose';

export interface Report {
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
  /** Does it say itself that no hardware gave evidence? */
  readonly isSimulated: boolean;
}

/** Header and claims; null when the text is no compact JWS of a JSON object. Nothing is verified. */
export function readReport(report: string): Report | null {
  try {
    const claims = decodeJwt(report);
    return {
      header: decodeProtectedHeader(report) as Report['header'],
      claims,
      isSimulated: claims['hardware'] === 'simulated',
    };
  } catch {
    return null;
  }
}

/** What a check of the signature found. */
export type Signature =
  | { readonly kind: 'good'; readonly kid: string }
  | { readonly kind: 'bad'; readonly reason: string };

/** Checks the signature against a controller's public keys. */
export async function verifyReport(report: string, keys: JSONWebKeySet): Promise<Signature> {
  try {
    const { protectedHeader } = await compactVerify(report, createLocalJWKSet(keys), {
      algorithms: ['EdDSA'],
    });
    if (protectedHeader.typ !== 'berth-report+jws')
      return {
        kind: 'bad',
        reason: `it is signed, but as ${protectedHeader.typ ?? 'nothing'}, not as a report`,
      };
    return { kind: 'good', kid: protectedHeader.kid ?? '' };
  } catch (error) {
    return { kind: 'bad', reason: (error as Error).message };
  }
}
