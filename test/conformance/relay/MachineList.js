/** A screen as a Relay application writes it: a paged list at the root, filtered, each row a fragment. Compiled, never run. */
export const query = graphql`
  query MachineListQuery($count: Int!, $filter: VirtualMachineFilter) {
    ...MachineList_machines @arguments(count: $count, filter: $filter)
  }
`;

export const machines = graphql`
  fragment MachineList_machines on Query
  @refetchable(queryName: "MachineListPaginationQuery")
  @argumentDefinitions(
    count: { type: "Int!" }
    cursor: { type: "String" }
    filter: { type: "VirtualMachineFilter" }
  ) {
    virtualMachines(first: $count, after: $cursor, filter: $filter)
      @connection(key: "MachineList_virtualMachines", filters: ["filter"]) {
      __id
      totalCount
      edges {
        node {
          ...MachineList_row
        }
      }
    }
  }
`;

export const row = graphql`
  fragment MachineList_row on VirtualMachine @refetchable(queryName: "MachineListRowQuery") {
    name
    powerState
    allowedOperations
    project {
      name
    }
    hypervisorNode {
      hostname
    }
  }
`;

export const start = graphql`
  mutation MachineListStartMutation($input: StartVirtualMachineInput!) {
    startVirtualMachine(input: $input) {
      __typename
      ... on StartVirtualMachinePayload {
        virtualMachine {
          ...MachineList_row
        }
      }
      ... on UserError {
        code
        message
      }
      ... on BusyError {
        taskId
        retryAfterMs
      }
    }
  }
`;

export const create = graphql`
  mutation MachineListCreateMutation($input: CreateVirtualMachineInput!, $lists: [ID!]!) {
    createVirtualMachine(input: $input) {
      ... on CreateVirtualMachinePayload {
        virtualMachine
          @prependNode(connections: $lists, edgeTypeName: "VirtualMachineEdge") {
          ...MachineList_row
        }
      }
      ... on UserError {
        message
      }
    }
  }
`;

export const remove = graphql`
  mutation MachineListDeleteMutation($input: DeleteVirtualMachineInput!, $lists: [ID!]!) {
    deleteVirtualMachine(input: $input) {
      ... on DeleteVirtualMachinePayload {
        deletedVirtualMachineId @deleteEdge(connections: $lists) @deleteRecord
      }
    }
  }
`;

export const changes = graphql`
  subscription MachineListChangesSubscription($projectId: ID!) {
    virtualMachineChanged(projectId: $projectId) {
      kind
      virtualMachine {
        ...MachineList_row
      }
    }
  }
`;
