/**
 * What stands in the place of a view that could not be drawn.
 *
 * Why: a page draws whatever file is opened in it, and a server may be of another version. Without this the first fact that
 * nobody reckoned with would leave an empty page; with it frame and slider stay, and lead on. Tests: `test/browser/broken.test.ts`.
 */
import { Component, type ComponentChildren } from 'preact';
import { count } from './quantities.ts';
import { Failure, Panel } from './ui.tsx';

interface BoundaryProps {
  /** What is drawn, as it is called in the frame. */
  readonly what: string;
  /** Seq that it is drawn at. At another one it is tried again. */
  readonly seq: number;
  readonly children: ComponentChildren;
}

interface BoundaryState {
  readonly failed: { readonly message: string } | null;
}

export class Boundary extends Component<BoundaryProps, BoundaryState> {
  override state: BoundaryState = { failed: null };

  override componentDidCatch(error: unknown): void {
    this.setState({ failed: { message: error instanceof Error ? error.message : String(error) } });
  }

  override componentDidUpdate({ seq }: BoundaryProps): void {
    if (this.state.failed && seq !== this.props.seq) this.setState({ failed: null });
  }

  override render() {
    const { children, seq, what } = this.props;
    const { failed } = this.state;
    if (!failed) return children;
    return (
      <Panel title={what}>
        <Failure
          reason={`${what} can't be drawn at seq ${count(seq)}: ${failed.message}.`}
          next="Move the slider, or choose another view: it is drawn anew there. Check the log with: berth log verify"
        />
        <button type="button" onClick={() => this.setState({ failed: null })}>
          Draw it again
        </button>
      </Panel>
    );
  }
}
