from django.apps import AppConfig
from django.db.models.signals import post_migrate


class RolloutsConfig(AppConfig):
    name = "rollouts"

    def ready(self) -> None:
        from rollouts import access

        access.register()
        post_migrate.connect(ensure_environments, sender=self)


def ensure_environments(**kwargs: object) -> None:
    """dev, staging and prod exist wherever the tables do, also after a test emptied them."""
    from rollouts.models import Environment

    for position, name in enumerate(["dev", "staging", "prod"]):
        Environment.objects.get_or_create(name=name, defaults={"position": position})
