"""Every path this project answers; there is nothing else."""

import os

from django.urls import path, register_converter
from endpoints import items, views

register_converter(items.ItemId, "item_id")

urlpatterns = [
    path("healthz", views.healthz),
    path("plaintext", views.plaintext),
    path("json", views.json),
    path("db", views.db),
    path("queries", views.queries),
    path("fortunes", views.fortunes),
    path("updates", views.updates),
    path("cached-queries", views.cached_queries),
    path("api/items", items.Items.as_view()),
    path("api/items/<item_id:item_id>", items.Item.as_view()),
    path("io", views.io),
    path("io-db", views.io_db),
    path("cpu", views.cpu),
    path("upload", views.upload),
    path("blob", views.blob),
    path("static/<str:name>", views.static),
    path("whoami", views.whoami),
]
if os.environ.get("FAULT_SECRET"):
    from endpoints.fault_views import fault

    urlpatterns.append(path("fault/<str:name>", fault))
if os.environ.get("UPSTREAM_URL"):
    from endpoints.fanout import fanout

    urlpatterns.append(path("fanout", fanout))

handler400 = "endpoints.errors.bad_request"
handler404 = "endpoints.errors.not_found"
handler500 = "endpoints.errors.server_error"
