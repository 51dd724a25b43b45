/** A screen about one object: reached by its id, with lists of its own in both directions of paging. Compiled, never run. */
export const query = graphql`
  query ProjectPageQuery($id: ID!) {
    node(id: $id) {
      __typename
      ...ProjectPage_volumes @alias(as: "withVolumes")
      ...ProjectPage_tasks @alias(as: "withTasks")
    }
  }
`;

export const volumes = graphql`
  fragment ProjectPage_volumes on Project
  @refetchable(queryName: "ProjectPageVolumesQuery")
  @argumentDefinitions(
    count: { type: "Int", defaultValue: 20 }
    cursor: { type: "String" }
    orderBy: { type: "VolumeOrder", defaultValue: { field: NAME, direction: DESC } }
  ) {
    volumes(first: $count, after: $cursor, orderBy: $orderBy)
      @connection(key: "ProjectPage_volumes", filters: ["orderBy"]) {
      edges {
        node {
          name
          sizeBytes
        }
      }
    }
  }
`;

export const tasks = graphql`
  fragment ProjectPage_tasks on Project
  @refetchable(queryName: "ProjectPageTasksQuery")
  @argumentDefinitions(last: { type: "Int", defaultValue: 10 }, before: { type: "String" }) {
    tasks(last: $last, before: $before) @connection(key: "ProjectPage_tasks") {
      edges {
        node {
          operation
          status
          progressPercent
        }
      }
    }
  }
`;
