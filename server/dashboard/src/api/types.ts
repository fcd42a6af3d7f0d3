// Short names for the schemas of the server's OpenAPI document; `npm run types` generates them.
import type { components } from './schema';

type Schemas = components['schemas'];

export type AllowReenroll = Schemas['AllowReenroll'];
export type ApproveRequest = Schemas['Approve'];
export type Assignment = Schemas['AssignmentView'];
export type AssignmentResult = Schemas['AssignmentResult'];
export type AuditEntry = Schemas['AuditEntry'];
export type Cause = Schemas['Cause'];
export type CauseGroup = Schemas['CauseGroup'];
export type ChangeNotice = Schemas['ChangeNotice'];
export type Check = Schemas['CheckView'];
export type CheckDetail = Schemas['CheckDetail'];
export type CheckInterval = Schemas['CheckInterval'];
export type CheckSummary = Schemas['CheckSummary'];
export type CheckedDevice = Schemas['CheckedDevice'];
export type Compliance = Schemas['Compliance'];
export type ComplianceCounts = Schemas['ComplianceCounts'];
export type ControlDetail = Schemas['ControlDetail'];
export type CreatedToken = Schemas['CreatedToken'];
export type Day = Schemas['Day'];
export type Device = Schemas['Device'];
export type DeviceDetail = Schemas['DeviceDetail'];
export type DeviceOutcome = Schemas['DeviceOutcome'];
export type DevicePatch = Schemas['DevicePatch'];
export type DevicePause = Schemas['DevicePause'];
export type DevicePage = Schemas['Page_Device'];
export type DevicePlan = Schemas['DevicePlan'];
export type DeviceState = Schemas['DeviceState'];
export type Difference = Schemas['Difference'];
export type Facts = Schemas['Facts'];
export type HistoryEntry = Schemas['HistoryEntry'];
export type Login = Schemas['Login'];
export type LostView = Schemas['LostView'];
export type Mode = Schemas['Mode'];
export type NewAssignment = Schemas['NewAssignment'];
export type NewDevicePlan = Schemas['NewDevicePlan'];
export type NewPause = Schemas['NewPause'];
export type NewToken = Schemas['NewToken'];
export type OutcomeKind = Schemas['OutcomeKind'];
export type Overview = Schemas['Overview'];
export type Pause = Schemas['PauseView'];
export type Pending = Schemas['PendingClaims'];
export type Person = Schemas['PersonView'];
export type NewPerson = Schemas['NewPerson'];
export type Problem = Schemas['Problem'];
export type Profile = Schemas['ProfileView'];
export type ProfileDetail = Schemas['ProfileDetail'];
export type Removal = Schemas['Removal'];
export type Replaced = Schemas['Replaced'];
export type Resource = Schemas['ResourceView'];
export type RevealedPassword = Schemas['RevealedPassword'];
export type Resumed = Schemas['Resumed'];
export type Revision = Schemas['RevisionView'];
export type RevisionDiff = Schemas['RevisionDiff'];
export type RevisionSummary = Schemas['RevisionSummary'];
export type Rollback = Schemas['Rollback'];
export type RollbackResult = Schemas['RollbackResult'];
export type SavedRevision = Schemas['SavedRevision'];
export type Session = Schemas['Session'];
export type Setup = Schemas['Setup'];
export type SourcePlace = Schemas['SourcePlace'];
export type Stage = Schemas['Stage'];
export type Table = Schemas['TableView'];
export type Token = Schemas['Token'];
export type Verdict = Schemas['Verdict'];
export type VerdictCounts = Schemas['VerdictCounts'];
export type VerdictDay = Schemas['VerdictDay'];

/** One page of a list. */
export interface Page<T> {
  items: T[];
  next?: string | null;
  total: number;
}
