"""The releases of Kubeflow Pipelines' back end, and what each does differently.

Every rule of this package names the file of github.com/kubeflow/pipelines that it was read from, at the tag of the same
name; "PR" is a pull request there. A rule without a tag is the same in all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Version:
    """A release.

    Args:
        name: its tag.
        argo: the release of Argo Workflows that its go.mod names.
        driver_fills_words: the driver fills parameters into a container's words, before the launcher does it again.
        defaults_before_driver: a component's defaults are added before the driver fills words in.
        storage_class_required: a workspace without a storage class is refused.
        checks_keys: downloads keep to the folder that was asked for.
        minio_without_session: a bucket `minio://` that is not the pipeline root's can be opened.
        log_by_attempt: the log of each attempt has a name of its own.
        error_retries: how often Argo, as it is installed, tries a template again that is in Error, and no other; a task
            that names no policy of its own has this one too. Source: manifests/kustomize/third-party/argo/base,
            workflow-controller-configmap-patch.yaml, 2.17.0; PR 13485.
        retry_policy: a task may say after which ends it is tried again.
        own_cache_key: the key that a task says takes the place of the one that is made of what it is given; before, the
            field was there, and nobody read it.
    """

    name: str
    argo: str
    driver_fills_words: bool = False
    defaults_before_driver: bool = False
    storage_class_required: bool = True
    checks_keys: bool = False
    minio_without_session: bool = False
    log_by_attempt: bool = False
    error_retries: int = 0
    retry_policy: bool = False
    own_cache_key: bool = False


_V2_17_0 = Version(
    "2.17.0",
    "4.0.5",
    driver_fills_words=True,
    storage_class_required=False,
    checks_keys=True,
    minio_without_session=True,
    log_by_attempt=True,
    error_retries=2,
)
# PR 14175, its backport 14178.
_V2_17_1 = replace(_V2_17_0, name="2.17.1", defaults_before_driver=True)
VERSIONS = {
    version.name: version
    for version in (
        Version("2.15.0", "3.7.3"),
        Version("2.16.0", "3.7.8"),
        Version("2.16.1", "3.7.8", log_by_attempt=True),
        _V2_17_0,
        _V2_17_1,
        # PR 13386, open: what it will be if it is merged as it is. PR 13762, merged.
        replace(_V2_17_1, name="2.18", retry_policy=True, own_cache_key=True),
    )
}
SUPPORTED = ("2.15.0", "2.16.0", "2.16.1", "2.17.0", "2.17.1")


class RefusedError(Exception):
    """The back end refuses, in its words."""
