/** Reasons for waiting, ranked, each with what would lift it. */
import type { Reason } from '../scheduler/explain.ts';

/** As a reader of JSON gets them, too: codes may be newer than this page. */
export type ShownReason = Omit<Reason, 'code'> & { readonly code: string };

/** Sign, tone and meaning of each tier, the hardest first. */
const tiers: Readonly<Record<Reason['tier'], readonly [sign: string, tone: string, meaning: string]>> = {
  never: ['⛔', 'bad', 'can never be as it is'],
  policy: ['⚖', 'wait', 'a limit or a pause'],
  order: ['⋯', 'wait', 'others go first'],
  capacity: ['▦', 'wait', 'no room'],
  health: ['✚', 'bad', 'the controller or its runners'],
  unknown: ['◌', 'off', 'not looked at yet'],
};

export function Reasons({ reasons, of }: { readonly reasons: readonly ShownReason[]; readonly of: string }) {
  if (reasons.length === 0) return null;
  return (
    <>
      <p class="soft">
        {reasons.length === 1 ? `Why ${of}:` : `Why ${of}; all ${reasons.length} must go, the hardest first:`}
      </p>
      <ol class="reasons">
        {reasons.map((reason) => {
          const [sign, tone, meaning] = tiers[reason.tier];
          return (
            <li key={reason.code}>
              <span class={`tag ${tone}`} title={meaning}>
                <span aria-hidden="true">{sign}</span> {reason.code}
              </span>
              <span class="message">{reason.message}</span>
              <span class="action">
                <span aria-hidden="true">→ </span>
                {reason.action}
              </span>
            </li>
          );
        })}
      </ol>
    </>
  );
}
