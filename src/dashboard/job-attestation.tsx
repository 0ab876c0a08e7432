/** What attestation found about a job, its signed report taken apart, and whether the signature holds. */
import type { JSONWebKeySet } from 'jose';
import { type Attestation, attestationOf } from '../views/attestation-view.ts';
import { useAsked } from './asked.tsx';
import { Copy } from './copy.tsx';
import type { CourseStep } from './job-course.ts';
import { Json } from './json.tsx';
import { readReport, type Signature, verifyReport } from './report.ts';
import type { Server } from './server.ts';
import { Empty, Failure, Loading, Panel } from './ui.tsx';

export interface AttestationProps {
  readonly server: Server | null;
  readonly id: string;
  /** Up to the moment. */
  readonly steps: readonly CourseStep[];
  /** Does its submission lie before this part of the log? */
  readonly beginsBefore: boolean;
}

export function AttestationPanel({ server, id, steps, beginsBefore }: AttestationProps) {
  const found = attestationOf(
    id,
    steps.map(({ record }) => record),
  );
  return (
    <Panel title="Attestation">
      {found ? (
        <Finding server={server} found={found} />
      ) : (
        <Empty>
          {beginsBefore
            ? 'It was attested before the first fact of this log, so the report is not here.'
            : 'Nothing has been attested yet: the job is not looked at before its signature, module and imports are verified.'}
        </Empty>
      )}
    </Panel>
  );
}

function Finding({ server, found }: { readonly server: Server | null; readonly found: Attestation }) {
  const { affirms, cause, imports, report, seq } = found;
  return (
    <>
      <p>
        <strong class={affirms ? 'tag good' : 'tag bad'}>{affirms ? '✓ may run' : '✕ may not run'}</strong>{' '}
        <span class="soft">found at seq {seq}</span>
        {cause ? <span> {cause.message}</span> : null}
      </p>
      {affirms ? (
        <div class="imports">
          The module imports: <Names names={imports} />
        </div>
      ) : null}
      {report === null ? (
        <Empty>There is no report: nothing was examined.</Empty>
      ) : (
        <ReportOf server={server} report={report} />
      )}
    </>
  );
}

function ReportOf({ server, report }: { readonly server: Server | null; readonly report: string }) {
  const read = readReport(report);
  const asked = useAsked(server ? report : null, async () =>
    verifyReport(report, await server!.json<JSONWebKeySet>('/.well-known/jwks.json')),
  );
  if (!read)
    return (
      <Failure reason="The report is not a signed JSON document." next="Compare the log's hashes: Audit." />
    );
  return (
    <>
      {read.isSimulated ? (
        <p class="tag wait">
          ⚠ Hardware evidence is simulated: no GPU vouched for anything, and the report says so.
        </p>
      ) : null}
      {server === null ? (
        <p class="soft">
          Its signature can't be checked here: the public key is the controller's to give
          (/.well-known/jwks.json), and this page has no server.
        </p>
      ) : null}
      {asked?.kind === 'asking' ? <Loading what="Fetching the controller's keys" /> : null}
      {asked?.kind === 'failed' ? (
        <Failure reason={`The keys could not be fetched: ${asked.reason}`} next={asked.next} />
      ) : null}
      {asked?.kind === 'told' ? <SignatureNote signature={asked.answer} /> : null}
      <dl class="claims">
        <dt>signed with</dt>
        <dd>
          <code>{String(read.header['alg'])}</code> by key <code>{String(read.header['kid'])}</code>
        </dd>
        {Object.entries(read.claims).map(([name, value]) => (
          <Claim key={name} name={name} value={value} />
        ))}
      </dl>
      <p class="small soft">
        The report as it was signed <Copy text={report} what="the report" />
      </p>
    </>
  );
}

const Names = ({ names }: { readonly names: readonly string[] }) =>
  names.length === 0 ? (
    <span>nothing</span>
  ) : (
    <ul class="names">
      {names.map((name) => (
        <li key={name}>
          <code>{name}</code>
        </li>
      ))}
    </ul>
  );

function Claim({ name, value }: { readonly name: string; readonly value: unknown }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>
        {value === null ? (
          <span class="soft">none</span>
        ) : Array.isArray(value) ? (
          <Names names={value.map(String)} />
        ) : typeof value === 'object' ? (
          <Json value={value} />
        ) : (
          <code>{String(value)}</code>
        )}
      </dd>
    </>
  );
}

function SignatureNote({ signature }: { readonly signature: Signature }) {
  return signature.kind === 'good' ? (
    <p class="tag good">✓ Signature verified in this page, with the controller's public key.</p>
  ) : (
    <Failure
      reason={`The signature does not hold: ${signature.reason}.`}
      next="The report is not the controller's, or its key was changed."
    />
  );
}
